-- Fires that runs caused, to count the latest of a job; and those that a loop breaker held.
CREATE INDEX fires_caused ON fires (job_uid, seen_at) WHERE depth > 0;
CREATE INDEX fires_blocked ON fires (seen_at) WHERE disposition = 'blocked';
