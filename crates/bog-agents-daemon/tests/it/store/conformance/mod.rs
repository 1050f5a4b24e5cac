//! What every backend must do, written against the operations only.

mod accept;
mod cancel;
mod claim;
mod deliver;
mod files;
mod finish;
mod gate;
mod grants;
mod lists;
mod loops;
mod orphans;
mod prune;
mod pushes;
mod save;
mod slots;
mod spending;
mod tell;
