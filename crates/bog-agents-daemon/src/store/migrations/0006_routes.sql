-- For triggers that HTTP requests fire: the path that they come to, and the name of the secret that signs them.
ALTER TABLE triggers ADD COLUMN route TEXT;
ALTER TABLE triggers ADD COLUMN secret TEXT;
CREATE INDEX triggers_route ON triggers (route) WHERE route IS NOT NULL;
CREATE INDEX triggers_secret ON triggers (secret) WHERE secret IS NOT NULL;

-- Jobs that have such triggers are read from their files once more, which fills both in.
UPDATE jobs SET hash = '', stamp = ''
WHERE deleted_at IS NULL AND uid IN (SELECT job_uid FROM triggers WHERE kind IN ('webhook', 'github'));
