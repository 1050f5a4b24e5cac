-- What the gate of a run said; null where there is none, or it has not been passed.
ALTER TABLE runs ADD COLUMN gate TEXT;

-- A run that its gate held never was one. Runs that are forgotten because they are old have ended long before.
CREATE TRIGGER runs_unmade AFTER DELETE ON runs WHEN OLD.finished_at IS NULL BEGIN
    UPDATE loads SET
        runs = runs - 1,
        queued = queued - (OLD.state = 'queued'),
        running = running - (OLD.state = 'running')
    WHERE job_uid = OLD.job_uid;
END;

-- Fires that runs caused, to count the latest of a job; and those that a loop breaker held.
CREATE INDEX fires_caused ON fires (job_uid, seen_at) WHERE depth > 0;
CREATE INDEX fires_blocked ON fires (seen_at) WHERE disposition = 'blocked';
