CREATE TABLE answers (
	order_id UUID NOT NULL, 
	answer TEXT NOT NULL, 
	answered_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_answers PRIMARY KEY (order_id)
);

CREATE TABLE comparisons (
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	round BIGINT DEFAULT 0 NOT NULL, 
	phase TEXT DEFAULT 'idle' NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	started_at TIMESTAMP WITH TIME ZONE, 
	window_from TIMESTAMP WITH TIME ZONE, 
	next_from TIMESTAMP WITH TIME ZONE, 
	until TIMESTAMP WITH TIME ZONE, 
	chunk_seconds BIGINT, 
	orders_unreadable INTEGER DEFAULT 0 NOT NULL, 
	failures INTEGER DEFAULT 0 NOT NULL, 
	last_error TEXT DEFAULT '' NOT NULL, 
	gaps TEXT DEFAULT '' NOT NULL, 
	finished_at TIMESTAMP WITH TIME ZONE, 
	finished_started_at TIMESTAMP WITH TIME ZONE, 
	last_report JSONB, 
	requested_at TIMESTAMP WITH TIME ZONE, 
	requested_by TEXT, 
	first_day DATE NOT NULL, 
	CONSTRAINT pk_comparisons PRIMARY KEY (connection_id)
)
 WITH (fillfactor = 50);

CREATE INDEX ix_comparisons_next_at ON comparisons (next_at);

CREATE TABLE differences (
	difference_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	order_id UUID, 
	marketplace_reference TEXT, 
	line_id TEXT, 
	offer_sku TEXT, 
	is_test BOOLEAN DEFAULT false NOT NULL, 
	hub_value TEXT NOT NULL, 
	marketplace_value TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	repair TEXT NOT NULL, 
	next_step TEXT NOT NULL, 
	attempts INTEGER DEFAULT 0 NOT NULL, 
	comparisons INTEGER DEFAULT 0 NOT NULL, 
	last_round BIGINT NOT NULL, 
	found_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	opened_at TIMESTAMP WITH TIME ZONE, 
	ended_at TIMESTAMP WITH TIME ZONE, 
	resolution TEXT, 
	actor TEXT, 
	traceparent TEXT, 
	CONSTRAINT pk_differences PRIMARY KEY (difference_id)
);

CREATE INDEX ix_differences_live ON differences (connection_id, order_id, offer_sku) WHERE state in ('suspected','open','closed');

CREATE INDEX ix_differences_state_found_at ON differences (state, found_at, difference_id);

CREATE TABLE doubts (
	effect_id UUID NOT NULL, 
	order_id UUID, 
	connection_id UUID NOT NULL, 
	offer_sku TEXT, 
	since TIMESTAMP WITH TIME ZONE NOT NULL, 
	over_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_doubts PRIMARY KEY (effect_id)
);

CREATE INDEX ix_doubts_open ON doubts (connection_id) WHERE over_at is null;

CREATE TABLE offers (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	environment TEXT, 
	available INTEGER, 
	price NUMERIC, 
	currency TEXT, 
	version BIGINT DEFAULT 0 NOT NULL, 
	pushed_quantity INTEGER, 
	quantity_pushed_at TIMESTAMP WITH TIME ZONE, 
	pushed_price NUMERIC, 
	pushed_currency TEXT, 
	price_pushed_at TIMESTAMP WITH TIME ZONE, 
	rejected TEXT, 
	rejected_at TIMESTAMP WITH TIME ZONE, 
	fact_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	seen_round BIGINT DEFAULT 0 NOT NULL, 
	compared_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_offers PRIMARY KEY (connection_id, offer_sku)
)
 WITH (fillfactor = 80);

CREATE INDEX ix_offers_rest ON offers (connection_id, compared_at);

CREATE TABLE order_days (
	connection_id UUID NOT NULL, 
	day DATE NOT NULL, 
	order_id UUID NOT NULL, 
	last_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_order_days PRIMARY KEY (connection_id, day, order_id)
);

CREATE INDEX ix_order_days_order_id ON order_days (order_id);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	reference TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	status TEXT NOT NULL, 
	marketplace_status TEXT NOT NULL, 
	snapshot JSONB NOT NULL, 
	version BIGINT NOT NULL, 
	first_refunds TEXT[] NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	fact_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	traceparent TEXT, 
	seen_round BIGINT DEFAULT 0 NOT NULL, 
	compared_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
)
 WITH (fillfactor = 85);

CREATE INDEX ix_orders_rest ON orders (connection_id, compared_at);

CREATE TABLE parcels (
	parcel_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	completes BOOLEAN NOT NULL, 
	told_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_parcels PRIMARY KEY (parcel_id)
);

CREATE INDEX ix_parcels_order_id ON parcels (order_id);

CREATE TABLE refunds (
	refund_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	state TEXT NOT NULL, 
	lines JSONB NOT NULL, 
	refund_references TEXT[] NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_refunds PRIMARY KEY (refund_id)
);

CREATE INDEX ix_refunds_order_id ON refunds (order_id);

CREATE TABLE statements (
	statement_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	day DATE NOT NULL, 
	tenant TEXT NOT NULL, 
	final BOOLEAN NOT NULL, 
	issued_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	issued_by TEXT, 
	body JSONB NOT NULL, 
	CONSTRAINT pk_statements PRIMARY KEY (statement_id)
);

CREATE INDEX ix_statements_day ON statements (connection_id, day);

CREATE TABLE taken (
	effect_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	day DATE NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	CONSTRAINT pk_taken PRIMARY KEY (effect_id)
);

CREATE INDEX ix_taken_day ON taken (connection_id, day);
