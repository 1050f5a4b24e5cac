//! `job show --effective`: what a job's runs really get, after tiers, defaults and ceilings.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::Exit;
use super::super::out::fields;
use crate::api::wire::{Effective, EffectiveGrant};
use bog_domain::fire::Tier;
use bog_domain::ids::JobId;
use bog_domain::spec::LimitsSpec;

/// Shows what the runs of a job get.
pub async fn show(job: &JobId, json: bool, context: &Context) -> anyhow::Result<Exit> {
    let effective = match context.reach().await? {
        Reach::Daemon(daemon) => daemon.effective(job).await?,
        Reach::Files(files) => {
            say_offline(&files);
            Effective::of(&files.read(job)?.job?.1, 0)
        }
    };
    if json {
        context.out.json(&effective)?;
        return Ok(Exit::Ok);
    }
    let head = fields(&[
        ("job", effective.job_id.clone()),
        ("works in", effective.working_dir.clone().unwrap_or_else(|| "a fresh folder per run".to_owned())),
        ("limits", limits(&effective.limits)),
    ]);
    context.out.text(&format!("{head}\n\n"))?;
    let rows = effective.triggers.iter().map(row).collect();
    let columns = ["trigger", "tier", "sandbox", "shell", "network", "secrets", "may write", "may read besides"];
    context.out.table(columns, rows, "")?;
    Ok(Exit::Ok)
}

fn row(grant: &EffectiveGrant) -> [String; 8] {
    let list = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    let tier = match grant.tier {
        Tier::Operator => "operator",
        Tier::Event => "event",
    };
    [
        grant.trigger.clone(),
        tier.to_owned(),
        grant.sandbox.clone(),
        grant.shell.to_string(),
        grant.network.to_string(),
        list(&grant.secrets),
        list(&grant.write),
        list(&grant.read),
    ]
}

/// A limit a line, as a job's file has it.
fn limits(limits: &LimitsSpec) -> String {
    let LimitsSpec { wall_clock, memory, cpu, cpu_seconds, pids, open_files, output, disk, grace } = limits;
    let none = || "none".to_owned();
    fields(&[
        ("wall_clock", wall_clock.map_or_else(none, |span| span.to_string())),
        ("memory", memory.map_or_else(none, |size| size.to_string())),
        ("cpu", cpu.map_or_else(none, |cores| cores.to_string())),
        ("cpu_seconds", cpu_seconds.map_or_else(none, |seconds| seconds.to_string())),
        ("pids", pids.map_or_else(none, |pids| pids.to_string())),
        ("open_files", open_files.map_or_else(none, |files| files.to_string())),
        ("output", output.map_or_else(none, |size| size.to_string())),
        ("disk", disk.map_or_else(none, |size| size.to_string())),
        ("grace", grace.map_or_else(none, |span| span.to_string())),
    ])
}
