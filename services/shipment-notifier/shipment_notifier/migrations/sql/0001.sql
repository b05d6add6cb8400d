CREATE TABLE deadlines (
	order_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	is_test BOOLEAN DEFAULT false NOT NULL, 
	starts_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	due_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	percent_told INTEGER DEFAULT 0 NOT NULL, 
	last_resort_percent INTEGER, 
	last_resort_done BOOLEAN DEFAULT false NOT NULL, 
	next_at TIMESTAMP WITH TIME ZONE, 
	met_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_deadlines PRIMARY KEY (order_id, kind)
);

CREATE INDEX ix_deadlines_next_at ON deadlines (next_at) WHERE met_at is null;

CREATE TABLE order_lines (
	order_id UUID NOT NULL, 
	line_id TEXT NOT NULL, 
	offer_sku TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_order_lines PRIMARY KEY (order_id, line_id)
);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	version BIGINT DEFAULT 0 NOT NULL, 
	connection_id UUID, 
	tenant TEXT, 
	live BOOLEAN DEFAULT false NOT NULL, 
	is_test BOOLEAN DEFAULT false NOT NULL, 
	environment TEXT, 
	fulfilled_by TEXT, 
	marketplace_reference TEXT, 
	order_number TEXT, 
	status TEXT, 
	created_at TIMESTAMP WITH TIME ZONE, 
	ship_by TIMESTAMP WITH TIME ZONE, 
	prepared_at TIMESTAMP WITH TIME ZONE, 
	shipped_elsewhere_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

CREATE INDEX ix_orders_connection_id ON orders (connection_id);

CREATE TABLE parcels (
	parcel_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	live BOOLEAN NOT NULL, 
	version BIGINT NOT NULL, 
	body JSONB NOT NULL, 
	handed_over_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	traceparent TEXT, 
	causation_id TEXT, 
	state TEXT DEFAULT 'waiting' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	parked_cause TEXT, 
	parked_for TEXT, 
	effect_id UUID, 
	revision INTEGER DEFAULT 0 NOT NULL, 
	told JSONB, 
	CONSTRAINT pk_parcels PRIMARY KEY (parcel_id)
);

CREATE INDEX ix_parcels_order_id ON parcels (order_id);

CREATE INDEX ix_parcels_unsettled ON parcels (connection_id) WHERE state in ('waiting','parked','set_aside');
