CREATE TABLE doubts (
	effect_id UUID NOT NULL, 
	owner TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	open BOOLEAN NOT NULL, 
	kind TEXT NOT NULL, 
	natural_key TEXT NOT NULL, 
	order_id UUID, 
	connection_id UUID NOT NULL, 
	reason TEXT NOT NULL, 
	needs_operator BOOLEAN NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_doubts PRIMARY KEY (effect_id)
);

CREATE INDEX ix_doubts_open ON doubts (kind) WHERE open;

CREATE INDEX ix_doubts_order_id ON doubts (order_id);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	connection_id UUID NOT NULL, 
	connector TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	ours BOOLEAN NOT NULL, 
	live BOOLEAN NOT NULL, 
	order_number TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	status TEXT NOT NULL, 
	marketplace_status TEXT NOT NULL, 
	total_price NUMERIC NOT NULL, 
	currency TEXT NOT NULL, 
	units INTEGER NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	accept_by TIMESTAMP WITH TIME ZONE, 
	ship_by TIMESTAMP WITH TIME ZONE, 
	search TEXT NOT NULL, 
	snapshot_version BIGINT NOT NULL, 
	status_version BIGINT NOT NULL, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

CREATE INDEX ix_orders_created_at ON orders (created_at);

CREATE INDEX ix_orders_status ON orders (status, created_at);

CREATE TABLE parked_items (
	parked_id UUID NOT NULL, 
	owner TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	waiting BOOLEAN NOT NULL, 
	order_id UUID, 
	connection_id UUID, 
	subject_kind TEXT, 
	subject_id TEXT, 
	cause TEXT, 
	detail TEXT, 
	next_step TEXT, 
	due_at TIMESTAMP WITH TIME ZONE, 
	is_test BOOLEAN, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_parked_items PRIMARY KEY (parked_id)
);

CREATE INDEX ix_parked_items_order_id ON parked_items (order_id);

CREATE INDEX ix_parked_items_waiting ON parked_items (cause) WHERE waiting;

CREATE TABLE story_events (
	event_id UUID NOT NULL, 
	order_id UUID, 
	topic TEXT NOT NULL, 
	key TEXT NOT NULL, 
	type TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	source TEXT NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	version BIGINT NOT NULL, 
	origin TEXT NOT NULL, 
	causation_id TEXT, 
	traceparent TEXT, 
	data JSONB NOT NULL, 
	received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_story_events PRIMARY KEY (event_id)
);

CREATE INDEX ix_story_events_order_id ON story_events (order_id, at);

CREATE INDEX ix_story_events_received_at ON story_events USING brin (received_at);

CREATE INDEX ix_story_events_topic ON story_events (topic, at);

CREATE TABLE tracking_numbers (
	tracking_number TEXT NOT NULL, 
	order_id UUID NOT NULL, 
	CONSTRAINT pk_tracking_numbers PRIMARY KEY (tracking_number, order_id)
);
