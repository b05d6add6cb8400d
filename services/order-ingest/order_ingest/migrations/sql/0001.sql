CREATE TABLE backfills (
	backfill_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	created_from TIMESTAMP WITH TIME ZONE NOT NULL, 
	created_until TIMESTAMP WITH TIME ZONE NOT NULL, 
	next_from TIMESTAMP WITH TIME ZONE NOT NULL, 
	state TEXT DEFAULT 'open' NOT NULL, 
	chunks_done INTEGER DEFAULT 0 NOT NULL, 
	orders_seen BIGINT DEFAULT 0 NOT NULL, 
	orders_received BIGINT DEFAULT 0 NOT NULL, 
	orders_parked BIGINT DEFAULT 0 NOT NULL, 
	last_error TEXT DEFAULT '' NOT NULL, 
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	traceparent TEXT, 
	CONSTRAINT pk_backfills PRIMARY KEY (backfill_id)
);

CREATE INDEX ix_backfills_open ON backfills (connection_id, requested_at) WHERE state = 'open';

CREATE TABLE order_numbers (
	order_number TEXT NOT NULL, 
	order_id UUID NOT NULL, 
	CONSTRAINT pk_order_numbers PRIMARY KEY (order_number), 
	CONSTRAINT uq_order_numbers_order_id UNIQUE (order_id)
);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	reference TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	order_number TEXT NOT NULL, 
	status TEXT NOT NULL, 
	marketplace_status TEXT NOT NULL, 
	snapshot JSONB NOT NULL, 
	snapshot_id UUID NOT NULL, 
	raw_sha256 BYTEA NOT NULL, 
	customer_sha256 BYTEA, 
	has_address BOOLEAN DEFAULT false NOT NULL, 
	origin TEXT NOT NULL, 
	is_test BOOLEAN DEFAULT false NOT NULL, 
	received BOOLEAN NOT NULL, 
	skip_reason TEXT, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	marketplace_updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	fetched_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	traceparent TEXT, 
	version BIGINT DEFAULT 1 NOT NULL, 
	first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id), 
	CONSTRAINT uq_orders_connection_id_reference UNIQUE (connection_id, reference)
)
 WITH (fillfactor = 85);

CREATE INDEX ix_orders_order_number ON orders (order_number);

CREATE TABLE poll_state (
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	cursor_at TIMESTAMP WITH TIME ZONE, 
	first_run_at TIMESTAMP WITH TIME ZONE, 
	last_attempt_at TIMESTAMP WITH TIME ZONE, 
	last_success_at TIMESTAMP WITH TIME ZONE, 
	last_error TEXT DEFAULT '' NOT NULL, 
	consecutive_failures INTEGER DEFAULT 0 NOT NULL, 
	polls BIGINT DEFAULT 0 NOT NULL, 
	orders_seen BIGINT DEFAULT 0 NOT NULL, 
	orders_received BIGINT DEFAULT 0 NOT NULL, 
	orders_changed BIGINT DEFAULT 0 NOT NULL, 
	orders_skipped BIGINT DEFAULT 0 NOT NULL, 
	orders_parked BIGINT DEFAULT 0 NOT NULL, 
	run_requested_at TIMESTAMP WITH TIME ZONE, 
	run_requested_by TEXT, 
	last_manual_at TIMESTAMP WITH TIME ZONE, 
	last_manual_by TEXT, 
	reread_next_from TIMESTAMP WITH TIME ZONE, 
	reread_until TIMESTAMP WITH TIME ZONE, 
	reread_done_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_poll_state PRIMARY KEY (connection_id)
)
 WITH (fillfactor = 50);

CREATE INDEX ix_poll_state_run_requested ON poll_state (connection_id) WHERE run_requested_at is not null;

CREATE TABLE raw_orders (
	snapshot_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	reference TEXT NOT NULL, 
	sha256 BYTEA NOT NULL, 
	body BYTEA NOT NULL, 
	fetched_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_fetched_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_raw_orders PRIMARY KEY (snapshot_id), 
	CONSTRAINT uq_raw_orders_order_id_sha256 UNIQUE (order_id, sha256)
);
