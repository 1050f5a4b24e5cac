//! Whom the end of a run is told to: its deliveries, and alerts where the job begins to fail or works again. All of it
//! is part of the commit that records the outcome.

use super::finish::{AttemptEnd, NewDelivery};
use super::rows::{ms, optional_document};
use super::{StoreError, lanes};
use bog_domain::delivery::{Digest, Host, Purpose, digest};
use bog_domain::incident::{Incident, Turn, turn};
use bog_domain::spec::DeliverWhen;
use rusqlite::{Connection, OptionalExtension, params};

/// Writes down what is to be delivered of a run that is over.
pub(super) fn tell(tx: &Connection, end: &AttemptEnd, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
    let sql = "SELECT job_uid FROM runs WHERE id = ?1";
    let job: String = tx.prepare_cached(sql)?.query_row([end.claim.run.to_string()], |row| row.get(0))?;
    let of = |purpose| deliveries.iter().filter(move |delivery| delivery.purpose == purpose);
    for delivery in of(Purpose::Output) {
        let digest = (delivery.spec.when() == DeliverWhen::Changed).then(|| digest(end.outcome, &end.output));
        insert(tx, end, &job, delivery, &What { digest, incident: None })?;
    }
    let alerts = of(Purpose::Alert).next().is_some();
    let (told, incident) = match turn(open_incident(tx, &job)?, end.outcome, alerts, end.finished_at) {
        Turn::Begins(incident) => {
            keep_incident(tx, &job, incident)?;
            (Purpose::Alert, incident)
        }
        Turn::GoesOn(incident) => return keep_incident(tx, &job, incident),
        Turn::Ends(incident) => {
            tx.prepare_cached("DELETE FROM incidents WHERE job_uid = ?1")?.execute([&job])?;
            (Purpose::Recovery, incident)
        }
        Turn::Same => return Ok(()),
    };
    for delivery in of(told) {
        insert(tx, end, &job, delivery, &What { digest: None, incident: Some(incident) })?;
    }
    Ok(())
}

/// What a delivery is about, as far as its target does not say.
struct What {
    digest: Option<Digest>,
    incident: Option<Incident>,
}

/// Due at once, whatever the clock is set to before it is made. Nothing where it would say what its target was told
/// before.
fn insert(tx: &Connection, end: &AttemptEnd, job: &str, delivery: &NewDelivery, what: &What) -> Result<(), StoreError> {
    let (run, target) = (end.claim.run.to_string(), delivery.spec.to_string());
    let lane = lanes::name(job, delivery.purpose, &target);
    let digest = what.digest.as_ref().map(|digest| digest.0.as_str());
    if digest.is_some() && lanes::last_said(tx, &lane, &run)?.as_deref() == digest {
        return Ok(());
    }
    let sql = "INSERT INTO deliveries (id, run_id, job_id, purpose, position, target, spec, host, lane, turn, state, \
                                       next_at, digest, incident, created_at, begun_at, updated_at) \
               SELECT ?1, id, job_id, ?3, ?4, ?5, ?6, ?7, ?8, \
                      EXISTS (SELECT 1 FROM deliveries WHERE lane = ?8 AND next_at IS NOT NULL AND turn = 0), \
                      'pending', 0, ?9, ?10, ?11, ?11, ?11 FROM runs WHERE id = ?2";
    tx.prepare_cached(sql)?.execute(params![
        delivery.id.to_string(),
        run,
        delivery.purpose.as_str(),
        delivery.position,
        target,
        serde_json::to_string(&delivery.spec)?,
        Host::of(&delivery.spec).to_string(),
        lane,
        digest,
        what.incident.map(|incident| serde_json::to_string(&incident)).transpose()?,
        ms(end.finished_at),
    ])?;
    Ok(())
}

fn open_incident(tx: &Connection, job: &str) -> Result<Option<Incident>, StoreError> {
    let sql = "SELECT incident FROM incidents WHERE job_uid = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([job], |row| optional_document(row, 0)).optional()?.flatten())
}

fn keep_incident(tx: &Connection, job: &str, incident: Incident) -> Result<(), StoreError> {
    let sql = "INSERT INTO incidents (job_uid, incident) VALUES (?1, ?2) \
               ON CONFLICT (job_uid) DO UPDATE SET incident = excluded.incident";
    tx.prepare_cached(sql)?.execute(params![job, serde_json::to_string(&incident)?])?;
    Ok(())
}
