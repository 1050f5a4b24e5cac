-- How many tokens a person said a run may use in all when it was resumed.
ALTER TABLE runs ADD COLUMN budget_tokens INTEGER;

-- Runs of a job whose runs are one conversation wait for the one that is paused.
CREATE INDEX runs_paused ON runs (job_uid) WHERE state = 'paused';
