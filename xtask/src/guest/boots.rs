//! Which guests are booted, and which tests run in each.

use super::kernel::Wanted;

/// One start of a guest.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// Names its script and its folder.
    pub name: &'static str,
    /// Of a virtual machine.
    pub kernel: Wanted,
    /// More for the kernel's command line.
    options: &'static str,
    /// What runs there, in this order.
    pub passes: &'static [Pass],
}

/// One run of the tests within a boot.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Names it in the results.
    pub name: &'static str,
    /// `root` or `user`.
    pub user: &'static str,
    /// What the tests find in `BOG_TEST_EXPECT`: words that `tests/it/support/machine.rs` explains.
    pub expect: &'static str,
    /// Whose tests run. Of each at least one must.
    pub modules: &'static [&'static str],
    /// More arguments for the tests.
    pub arguments: &'static str,
    /// Shell commands before it.
    pub before: &'static str,
}

/// What depends on control groups with controllers.
const LIMITS: &[&str] =
    &["limits::cpu", "limits::groups", "limits::memory", "limits::processes", "orphans::what_took_its_marks_off"];
/// What depends on the kernel's version; each of these tests is made as root and as an ordinary user by itself.
const CONFINEMENT: &[&str] = &["sandbox::", "runner::containment::"];

/// Virtual machines.
pub const MACHINES: &[Boot] = &[
    Boot {
        name: "controllers",
        kernel: Wanted::Newest,
        options: "",
        passes: &[
            Pass {
                name: "root",
                expect: "controllers landlock",
                modules: LIMITS,
                // Without controllers it is the same.
                arguments: "--skip time_ --skip only_a_tree_over_its_rate --skip a_flood_of_output",
                ..Pass::BASE
            },
            Pass {
                name: "user",
                user: "user",
                expect: "controllers landlock",
                modules: &["limits::groups", "limits::memory::a_hog", "limits::processes::a_fork_bomb"],
                before: "delegate",
                ..Pass::BASE
            },
        ],
    },
    Boot {
        name: "units",
        kernel: Wanted::Newest,
        options: "bog.manager=systemd",
        passes: &[Pass { name: "units", expect: "systemd controllers", modules: &["units::"], ..Pass::BASE }],
    },
    Boot {
        name: "stock",
        kernel: Wanted::Stock,
        options: "",
        passes: &[Pass {
            name: "root",
            expect: "old-landlock",
            modules: CONFINEMENT,
            // Messages, which are compared with files that are not there.
            arguments: "--skip a_link_that_an_agent --skip what_is_missing_is --skip is_refused_with_the_cure",
            ..Pass::BASE
        }],
    },
];

/// Containers with systemd.
pub const CONTAINERS: &[Boot] = &[Boot {
    name: "container",
    kernel: Wanted::Newest,
    options: "",
    passes: &[Pass { name: "units", expect: "systemd groups", modules: &["units::"], ..Pass::BASE }],
}];

impl Pass {
    /// What most passes have in common.
    const BASE: Self = Self {
        name: "",
        user: "root",
        expect: "",
        modules: &[],
        arguments: "--skip all_of_it_holds_for_an_ordinary_user",
        before: "",
    };
}

impl Boot {
    /// What a virtual machine's kernel is told.
    pub fn command_line(&self) -> String {
        format!("bog.boot={} {}", self.name, self.options)
    }

    /// The passes as the shell commands that `boot.sh` reads.
    pub fn script(&self) -> String {
        let lines = self.passes.iter().map(|pass| {
            let Pass { name, user, expect, modules, arguments, before } = pass;
            format!("{before}\npass {name} {user} '{expect}' {} {arguments}\n", modules.join(" "))
        });
        lines.collect()
    }
}
