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

CREATE TABLE offers (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	on_hand INTEGER NOT NULL, 
	buffer INTEGER NOT NULL, 
	price NUMERIC, 
	currency TEXT, 
	version BIGINT NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_offers PRIMARY KEY (connection_id, offer_sku)
);

CREATE INDEX ix_offers_shop_sku ON offers (shop_connection_id, shop_sku);

CREATE TABLE order_lines (
	order_id UUID NOT NULL, 
	line_id TEXT NOT NULL, 
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	CONSTRAINT pk_order_lines PRIMARY KEY (order_id, line_id)
);

CREATE INDEX ix_order_lines_sku ON order_lines (connection_id, offer_sku);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	live BOOLEAN NOT NULL, 
	snapshot JSONB NOT NULL, 
	version BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	accept_by TIMESTAMP WITH TIME ZONE, 
	traceparent TEXT, 
	decision TEXT, 
	decided_by TEXT, 
	decided_at TIMESTAMP WITH TIME ZONE, 
	answer TEXT, 
	rules JSONB, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

CREATE INDEX ix_orders_undecided ON orders (connection_id, created_at) WHERE status = 'PENDING' and (decision is null or decision = 'hold');

CREATE TABLE sku_links (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	CONSTRAINT pk_sku_links PRIMARY KEY (connection_id, offer_sku)
);

CREATE INDEX ix_sku_links_shop_sku ON sku_links (shop_connection_id, shop_sku);
