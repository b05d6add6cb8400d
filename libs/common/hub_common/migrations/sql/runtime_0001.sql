CREATE TABLE aggregates (
	topic TEXT NOT NULL, 
	key TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_aggregates PRIMARY KEY (topic, key)
)
 WITH (fillfactor = 80);

CREATE TABLE connections (
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	body JSONB NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_connections PRIMARY KEY (connection_id)
);

CREATE INDEX ix_connections_changed_at ON connections (changed_at);

CREATE TABLE dead_letters (
	dead_letter_id UUID NOT NULL, 
	event_id UUID, 
	key TEXT NOT NULL, 
	topic TEXT NOT NULL, 
	partition INTEGER NOT NULL, 
	record_offset BIGINT NOT NULL, 
	headers JSONB NOT NULL, 
	value BYTEA, 
	cause TEXT NOT NULL, 
	error TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	first_failed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	died_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	state TEXT DEFAULT 'open' NOT NULL, 
	settled_at TIMESTAMP WITH TIME ZONE, 
	settled_by TEXT, 
	settled_reason TEXT, 
	CONSTRAINT pk_dead_letters PRIMARY KEY (dead_letter_id)
);

CREATE INDEX ix_dead_letters_state_died_at ON dead_letters (state, died_at);

CREATE UNIQUE INDEX uq_dead_letters_open_record ON dead_letters (topic, partition, record_offset) WHERE state = 'open';

CREATE TABLE effect_attempts (
	effect_id UUID NOT NULL, 
	attempt INTEGER NOT NULL, 
	step TEXT NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	seconds DOUBLE PRECISION DEFAULT 0 NOT NULL, 
	result TEXT NOT NULL, 
	detail TEXT DEFAULT '' NOT NULL, 
	answer JSONB DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_effect_attempts PRIMARY KEY (effect_id, attempt, step)
);

CREATE TABLE effects (
	effect_id UUID NOT NULL, 
	seq BIGINT GENERATED ALWAYS AS IDENTITY, 
	kind TEXT NOT NULL, 
	natural_key TEXT NOT NULL, 
	connection_id UUID NOT NULL, 
	credential_ref TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	order_id UUID, 
	order_key TEXT NOT NULL, 
	supersede_key TEXT, 
	lane SMALLINT NOT NULL, 
	deadline TIMESTAMP WITH TIME ZONE, 
	state TEXT DEFAULT 'PLANNED' NOT NULL, 
	attempts INTEGER DEFAULT 0 NOT NULL, 
	probes INTEGER DEFAULT 0 NOT NULL, 
	not_applied_seen INTEGER DEFAULT 0 NOT NULL, 
	retry_if_not_applied BOOLEAN DEFAULT true NOT NULL, 
	needs_operator BOOLEAN DEFAULT false NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	in_flight_at TIMESTAMP WITH TIME ZONE, 
	fence BIGINT, 
	request JSONB NOT NULL, 
	context JSONB DEFAULT '{}' NOT NULL, 
	answer JSONB DEFAULT '{}' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	evidence TEXT DEFAULT '' NOT NULL, 
	confirmed_by TEXT, 
	traceparent TEXT, 
	causation_id TEXT, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	settled_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_effects PRIMARY KEY (effect_id), 
	CONSTRAINT uq_effects_natural_key UNIQUE (natural_key)
)
 WITH (fillfactor = 80);

CREATE INDEX ix_effects_due ON effects (connection_id, lane, next_at) WHERE state in ('PLANNED','RETRY');

CREATE INDEX ix_effects_open_order_key ON effects (order_key, seq) WHERE state in ('PLANNED','RETRY','IN_FLIGHT','SENT','UNKNOWN');

CREATE INDEX ix_effects_order_id ON effects (order_id);

CREATE INDEX ix_effects_probe ON effects (connection_id, next_at) WHERE state in ('SENT','UNKNOWN','IN_FLIGHT');

CREATE INDEX ix_effects_supersede ON effects (supersede_key) WHERE state in ('PLANNED','RETRY');

CREATE TABLE inbox (
	event_id UUID NOT NULL, 
	received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_inbox PRIMARY KEY (event_id)
);

CREATE INDEX ix_inbox_received_at ON inbox USING brin (received_at);

CREATE TABLE inbox_retry (
	seq BIGINT GENERATED ALWAYS AS IDENTITY, 
	key TEXT NOT NULL, 
	event_id UUID, 
	topic TEXT NOT NULL, 
	partition INTEGER NOT NULL, 
	record_offset BIGINT NOT NULL, 
	headers JSONB NOT NULL, 
	value BYTEA, 
	attempts INTEGER DEFAULT 0 NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	first_failed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	error TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_inbox_retry PRIMARY KEY (seq), 
	CONSTRAINT uq_inbox_retry_event_id UNIQUE (event_id)
);

CREATE INDEX ix_inbox_retry_key_seq ON inbox_retry (key, seq);

CREATE INDEX ix_inbox_retry_next_at ON inbox_retry (next_at);

CREATE TABLE leases (
	name TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	until TIMESTAMP WITH TIME ZONE NOT NULL, 
	fence BIGINT DEFAULT 1 NOT NULL, 
	state JSONB, 
	CONSTRAINT pk_leases PRIMARY KEY (name)
)
 WITH (fillfactor = 70);

CREATE TABLE outbox (
	id BIGINT GENERATED ALWAYS AS IDENTITY, 
	shard SMALLINT NOT NULL, 
	topic TEXT NOT NULL, 
	key TEXT NOT NULL, 
	headers JSONB NOT NULL, 
	version BIGINT NOT NULL, 
	value BYTEA, 
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_outbox PRIMARY KEY (id)
)
 WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE INDEX ix_outbox_shard_id ON outbox (shard, id);

CREATE TABLE parked (
	parked_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	subject_kind TEXT NOT NULL, 
	subject_id TEXT NOT NULL, 
	order_id UUID, 
	connection_id UUID, 
	is_test BOOLEAN DEFAULT false NOT NULL, 
	cause TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	next_step TEXT NOT NULL, 
	data JSONB DEFAULT '{}' NOT NULL, 
	event_key TEXT NOT NULL, 
	parked_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	due_at TIMESTAMP WITH TIME ZONE, 
	resolved_at TIMESTAMP WITH TIME ZONE, 
	resolution TEXT, 
	actor TEXT, 
	CONSTRAINT pk_parked PRIMARY KEY (parked_id)
);

CREATE INDEX ix_parked_open ON parked (cause, parked_at) WHERE resolved_at is null;

CREATE INDEX ix_parked_order_id ON parked (order_id);
