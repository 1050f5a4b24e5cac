-- What git_push triggers remember. A row here says that all refs a trigger is about were seen once: from then on each
-- difference is a push.
CREATE TABLE git_memories (
    job_uid    TEXT NOT NULL,
    trigger_id TEXT NOT NULL,
    began_at   INTEGER NOT NULL,
    PRIMARY KEY (job_uid, trigger_id)
) STRICT, WITHOUT ROWID;

-- Where each ref pointed when it was last dealt with.
CREATE TABLE git_refs (
    job_uid    TEXT NOT NULL,
    trigger_id TEXT NOT NULL,
    ref        TEXT NOT NULL,
    sha        TEXT NOT NULL,
    PRIMARY KEY (job_uid, trigger_id, ref)
) STRICT, WITHOUT ROWID;

CREATE INDEX triggers_git_push ON triggers (job_uid, id) WHERE kind = 'git_push';

-- A memory goes with its trigger, and with what the trigger was about.
CREATE TRIGGER git_forget AFTER DELETE ON triggers WHEN OLD.kind = 'git_push' BEGIN
    DELETE FROM git_memories WHERE job_uid = OLD.job_uid AND trigger_id = OLD.id;
    DELETE FROM git_refs WHERE job_uid = OLD.job_uid AND trigger_id = OLD.id;
END;
CREATE TRIGGER git_anew AFTER UPDATE OF definition ON triggers
WHEN OLD.kind = 'git_push' AND OLD.definition <> NEW.definition BEGIN
    DELETE FROM git_memories WHERE job_uid = OLD.job_uid AND trigger_id = OLD.id;
    DELETE FROM git_refs WHERE job_uid = OLD.job_uid AND trigger_id = OLD.id;
END;
