use super::*;
use crate::fire::TriggerKind;
use proptest::prelude::*;
use serde_json::json;

fn template(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn render(text: &str, context: &serde_json::Value) -> String {
    template(text).render(context).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn path(text: &str, value: &str) -> String {
    template(text).render_path(&json!({"event": {"branch": value}})).unwrap()
}

#[test]
fn values_are_text() {
    let context = json!({
        "event": {"payload": {"b": [1, "ä\n\"", null], "a": 1.5}, "paths": ["x.rs", "y.rs"], "none": null},
        "now": "2026-06-01T09:00:00Z", "run": {"attempt": 2}, "html": "<b> & {{ now }}"
    });
    let cases = [
        ("plain text\n", "plain text\n"),
        ("at {{ now }}, try {{ run.attempt }}\n", "at 2026-06-01T09:00:00Z, try 2\n"),
        ("[{{ event.none }}]", "[]"),
        ("{{ event.payload }}", r#"{"a":1.5,"b":[1,"ä\n\"",null]}"#),
        ("{{ event.paths }}", r#"["x.rs","y.rs"]"#),
        ("{% for path in event.paths %}- {{ path }}\n{% endfor %}", "- x.rs\n- y.rs\n"),
        ("{{ html }}", "<b> & {{ now }}"),
        ("{{ event.nothing | default('-') }} {{ event.paths | length }} {{ 1 == 1 }}", "- 2 true"),
        ("{{ event.paths | map('upper') }}", r#"["X.RS","Y.RS"]"#),
    ];
    for (text, expected) in cases {
        assert_eq!(render(text, &context), expected, "{text}");
    }
}

#[test]
fn errors_say_where() {
    let context = json!({"event": {"kind": "cron"}});
    let prompt = Scope::prompt([TriggerKind::Cron, TriggerKind::Webhook]);
    let deep = "(".repeat(10_000);
    let bad = [
        "line one\nand {{ event.kind",
        "{% if %}",
        "{% include 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% for x in event.kind %}",
        &format!("{{{{ {deep} }}}}"),
        "{{ evnt.kind }}",
        "{{ event.paylod.action }}",
        "{{ event.branch }}",
        "{{ run.output }}",
        "{{ debug() }}",
        "äöü {{ event.kind | uper }}",
        "{{ event.kind is wrong }}",
        "{{ event.payload.action }}",
        "\n  {{ event.payload }}",
        "{{ 1 / 0 }}",
        "{{ event.kind + 1 }}",
    ];
    let said = bad.map(|text| {
        let checked = Template::parse(text).and_then(|template| template.check(&prompt).map(|()| template));
        match checked {
            Err(error) => format!("save: {error}"),
            Ok(template) => format!("render: {}", template.render(&context).unwrap_err()),
        }
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn names_depend_on_the_triggers_and_the_place() {
    let check = |text: &str, scope: &Scope| template(text).check(scope).is_ok();
    let everywhere = "{{ event.kind }}{{ event.fired_at }}{{ event.tier }}{{ event.events }}{{ job.id }}{{ job.name }}\
        {{ job.working_dir }}{{ run.id }}{{ run.attempt }}{{ last_run.started_at }}{{ last_run.output }}{{ now }}";
    let (none, files) = (Scope::prompt([]), Scope::prompt([TriggerKind::FileChange]));
    assert!(check(everywhere, &none));
    assert!(check("{% for p in event.paths %}{{ p.anything }}{{ loop.index }}{% endfor %}", &files));
    assert!(!check("{{ event.paths }}", &none));
    let both = Scope::prompt([TriggerKind::FileChange, TriggerKind::GitPush]);
    assert!(check(
        "{% if event.kind == 'git_push' %}{{ event.commits[0].subject }}{% else %}{{ event.created }}{% endif %}",
        &both
    ));
    assert!(check("{% set x = event %}{{ x.whatever }}{% for i in range(3) %}{{ i }}{% endfor %}", &none));
    assert!(check("{{ run.output }}{{ run.outcome }}{{ run.error }}", &Scope::output([])));
    assert!(check("{{ event.payload.deep.er['and'].deeper }}", &Scope::prompt([TriggerKind::Webhook])));
}

#[test]
fn nothing_hangs_and_nothing_swells() {
    let context = json!({"big": "x".repeat(3 * MAX_VALUE), "list": vec!["ä".repeat(1000); 1000], "one": ["y".repeat(3 * MAX_VALUE)]});
    let cut = render("{{ big }}", &context);
    assert_eq!(cut.len(), MAX_VALUE + " [cut]".len());
    assert!(cut.ends_with("x [cut]"));
    for text in ["{{ list }}", "{{ one }}"] {
        let cut = render(text, &context);
        assert!(cut.ends_with(" [cut]") && cut.len() <= MAX_VALUE + " [cut]".len(), "{text}: {}", cut.len());
    }
    let fails = |text: &str| template(text).render(&context).unwrap_err();
    assert_eq!(fails("{% for i in range(100) %}{{ big }}{% endfor %}"), TemplateError::TooLong);
    let endless = [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ ('x' * 1000000000) | length }}",
        "{% for i in range(99999) %}{{ list | length }}{{ (list | string)[:1] }}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    ];
    for text in endless {
        assert_eq!(fails(text), TemplateError::TooMuchWork, "{text}");
    }
    // Cheap to write and dear to make: what is thrown away is paid for too.
    let dear = template("{% for i in range(9999) %}{{ list }}{% endfor %}").render_path(&context);
    assert_eq!(dear, Err(TemplateError::TooMuchWork));
    let nested = json!({"t": {"c": [{"c": []}]}});
    assert_eq!(render("{% for x in t.c recursive %}<{{ loop(x.c) }}>{% endfor %}", &nested), "<>");
}

#[test]
fn values_in_paths_are_harmless() {
    let cases = [
        ("runs/{{ event.branch }}.md", "main", "runs/main.md"),
        ("runs/{{ event.branch }}.md", "feature/login", "runs/feature_login.md"),
        ("runs/{{ event.branch }}.md", "../../etc/passwd", "runs/_._etc_passwd.md"),
        ("runs/{{ event.branch }}/out", "..", "runs//out"),
        ("runs/{{ event.branch }}/out", ".", "runs//out"),
        ("runs/{{ event.branch }}", ".ssh", "runs/ssh"),
        ("runs/{{ event.branch }}", "a\\..\\b\0c\n", "runs/a_._b_c_"),
        ("runs/{{ event.branch }}", "v1.2.3", "runs/v1.2.3"),
        ("runs/{{ event.branch }}", "a....b", "runs/a.b"),
        ("{{ event.branch }}", "/etc/passwd", "_etc_passwd"),
        ("../{{ event.branch | replace('_', '/') }}/x", "a_b", "../a_b/x"),
        ("~/{{ event.branch | safe }}", "/", "~/_"),
        ("{% set x %}{{ event.branch }}{% endset %}{{ x }}", "a/../b", "a_._b"),
    ];
    for (text, value, expected) in cases {
        assert_eq!(path(text, value), expected, "{text} with {value:?}");
    }
    assert_eq!(path("{{ event.branch }}", &"ä".repeat(500)).len(), MAX_PATH_VALUE);
    assert_eq!(template("a/../b").render_path(&json!({})).unwrap(), "a/../b");
}

#[test]
fn keeps_its_text() {
    let template: Template = serde_json::from_str(r#""a {{ now }}\n""#).unwrap();
    assert_eq!(template.to_string(), "a {{ now }}\n");
    assert_eq!(serde_json::to_string(&template).unwrap(), r#""a {{ now }}\n""#);
    assert!(serde_json::from_str::<Template>(r#""{{""#).is_err());
}

proptest! {
    /// No value makes a path component that leads elsewhere, alone or beside another.
    #[test]
    fn no_value_leads_out_of_its_component(a in "(\\PC|[./\\\\\0\n]){0,40}", b in "[./\\\\a]{0,6}") {
        let context = json!({"a": a, "b": b});
        let rendered = template("base/x{{ a }}{{ b }}/{{ b }}{{ a }}-end").render_path(&context).unwrap();
        let parts: Vec<&str> = rendered.split('/').collect();
        prop_assert_eq!(parts.len(), 3, "{}", rendered);
        prop_assert!(!rendered.contains('\\') && !rendered.contains(char::is_control));
        let alone = template("{{ b }}{{ b }}{{ a }}").render_path(&context).unwrap();
        prop_assert!(!alone.starts_with('.') && !alone.contains('/'), "{}", alone);
    }

    #[test]
    fn no_text_is_too_odd_to_parse(text in "([{}%#|.()\\[\\]'\" a-z0-9\n]|\\{\\{|\\}\\}|\\{%|%\\}){0,60}") {
        if let Ok(template) = Template::parse(text.as_str()) {
            let scope = Scope::prompt([]);
            if template.check(&scope).is_ok() {
                let _either_way = template.render(&json!({"now": "x"}));
            }
        }
    }
}
