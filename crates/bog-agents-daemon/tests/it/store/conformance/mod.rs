//! What every backend must do, written against the operations only.

mod accept;
mod cancel;
mod claim;
mod deliver;
mod finish;
mod grants;
mod lists;
mod orphans;
mod prune;
mod save;
mod slots;
mod spending;
