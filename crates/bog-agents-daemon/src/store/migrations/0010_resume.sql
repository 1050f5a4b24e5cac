-- How many tokens a person said a run may use in all when it was resumed.
ALTER TABLE runs ADD COLUMN budget_tokens INTEGER;

-- What budgets count in the place of a cost that is not known in full.
ALTER TABLE usage ADD COLUMN charged_usd REAL;
DROP INDEX usage_at;
DROP INDEX usage_job;
CREATE INDEX usage_at ON usage (at, cost_usd, charged_usd);
CREATE INDEX usage_job ON usage (job_uid, at, cost_usd, charged_usd);

-- Runs of a job whose runs are one conversation wait for the one that is paused.
CREATE INDEX runs_paused ON runs (job_uid) WHERE state = 'paused';
