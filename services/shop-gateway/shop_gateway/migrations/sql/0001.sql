CREATE TABLE customers (
	order_id UUID NOT NULL, 
	version BIGINT NOT NULL, 
	body JSONB, 
	recorded_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	erased_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_customers PRIMARY KEY (order_id)
);

CREATE INDEX ix_customers_recorded_at ON customers (recorded_at) WHERE body is not null;

CREATE TABLE feeds (
	shop_connection_id UUID NOT NULL, 
	last_seq BIGINT NOT NULL, 
	CONSTRAINT pk_feeds PRIMARY KEY (shop_connection_id)
);

CREATE TABLE parcels (
	parcel_id UUID NOT NULL, 
	route_id UUID NOT NULL, 
	reference TEXT NOT NULL, 
	lines JSONB NOT NULL, 
	carrier_code TEXT, 
	carrier_name TEXT, 
	tracking_number TEXT, 
	tracking_url TEXT, 
	handed_over_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	told_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_parcels PRIMARY KEY (parcel_id)
);

CREATE INDEX ix_parcels_route_id ON parcels (route_id);

CREATE TABLE price_levels (
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	amount NUMERIC NOT NULL, 
	discount_amount NUMERIC, 
	currency TEXT NOT NULL, 
	reported_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_price_levels PRIMARY KEY (shop_connection_id, shop_sku, channel)
)
 WITH (fillfactor = 80);

CREATE TABLE returns (
	return_id UUID NOT NULL, 
	route_id UUID NOT NULL, 
	reference TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	lines JSONB NOT NULL, 
	told_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_returns PRIMARY KEY (return_id)
);

CREATE INDEX ix_returns_route_id ON returns (route_id);

CREATE TABLE route_cancellations (
	route_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	reason TEXT NOT NULL, 
	cancelled_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_route_cancellations PRIMARY KEY (route_id)
);

CREATE TABLE shop_cancellations (
	cancellation_id UUID NOT NULL, 
	route_id UUID NOT NULL, 
	reference TEXT NOT NULL, 
	lines JSONB NOT NULL, 
	told_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_shop_cancellations PRIMARY KEY (cancellation_id)
);

CREATE INDEX ix_shop_cancellations_route_id ON shop_cancellations (route_id);

CREATE TABLE shop_orders (
	route_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	live BOOLEAN NOT NULL, 
	environment TEXT NOT NULL, 
	is_test BOOLEAN NOT NULL, 
	order_number TEXT NOT NULL, 
	sole_route BOOLEAN NOT NULL, 
	request JSONB NOT NULL, 
	state TEXT NOT NULL, 
	shop_order_reference TEXT, 
	acknowledged_at TIMESTAMP WITH TIME ZONE, 
	waited BOOLEAN DEFAULT false NOT NULL, 
	resends INTEGER DEFAULT 0 NOT NULL, 
	feed_seq BIGINT, 
	closed_at TIMESTAMP WITH TIME ZONE, 
	version BIGINT DEFAULT 1 NOT NULL, 
	traceparent TEXT, 
	stored_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_shop_orders PRIMARY KEY (route_id)
);

CREATE INDEX ix_shop_orders_feed ON shop_orders (shop_connection_id, feed_seq) WHERE closed_at is null;

CREATE INDEX ix_shop_orders_order_id ON shop_orders (order_id);

CREATE INDEX ix_shop_orders_order_number ON shop_orders (shop_connection_id, order_number);

CREATE INDEX ix_shop_orders_reference ON shop_orders (shop_connection_id, shop_order_reference);

CREATE INDEX ix_shop_orders_waiting ON shop_orders (shop_connection_id) WHERE state in ('waiting','blocked') and live;

CREATE TABLE shop_posts (
	post_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	dedupe_key TEXT NOT NULL, 
	fingerprint BYTEA NOT NULL, 
	source TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	body BYTEA NOT NULL, 
	headers JSONB NOT NULL, 
	received_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	state TEXT NOT NULL, 
	cause TEXT, 
	detail TEXT DEFAULT '' NOT NULL, 
	errors JSONB DEFAULT '[]' NOT NULL, 
	route_id UUID, 
	order_version BIGINT, 
	named_route_id UUID, 
	named_order_number TEXT, 
	named_reference TEXT, 
	interpreted_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_shop_posts PRIMARY KEY (post_id)
);

CREATE INDEX ix_shop_posts_open ON shop_posts (state, received_at) WHERE state <> 'done';

CREATE INDEX ix_shop_posts_received_at ON shop_posts (received_at);

CREATE UNIQUE INDEX uq_shop_posts_dedupe_key ON shop_posts (connection_id, dedupe_key);

CREATE TABLE stock_levels (
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	warehouse TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	reported_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_stock_levels PRIMARY KEY (shop_connection_id, shop_sku, warehouse)
)
 WITH (fillfactor = 80);
