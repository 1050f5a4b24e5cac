-- What held an attempt and, where one did, the limit that ended it: JSON text. Attempts from before have neither.
ALTER TABLE attempts ADD COLUMN containment TEXT;
ALTER TABLE attempts ADD COLUMN limit_hit TEXT;

-- That of the run's last attempt that ended, for lists.
ALTER TABLE runs ADD COLUMN limit_hit TEXT;
