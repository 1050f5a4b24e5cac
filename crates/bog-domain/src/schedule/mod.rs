//! When a job is due: cron expressions and intervals, their jitter, what is made up for after downtime, and the one
//! function that decides all of it, [`plan::plan`].

pub mod cron;
