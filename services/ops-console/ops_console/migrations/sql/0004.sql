CREATE INDEX ix_story_events_key ON story_events (topic, key, seq);
