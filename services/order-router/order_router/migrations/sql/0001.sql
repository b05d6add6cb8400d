CREATE TABLE choices (
	order_id UUID NOT NULL, 
	line_id TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	warehouse TEXT, 
	shop_sku TEXT, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	chosen_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_choices PRIMARY KEY (order_id, line_id)
);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	traceparent TEXT, 
	live BOOLEAN, 
	snapshot JSONB, 
	snapshot_version BIGINT DEFAULT 0 NOT NULL, 
	status TEXT, 
	marketplace_status TEXT, 
	line_status JSONB, 
	ship_by TIMESTAMP WITH TIME ZONE, 
	status_version BIGINT DEFAULT 0 NOT NULL, 
	released BOOLEAN DEFAULT false NOT NULL, 
	refused BOOLEAN DEFAULT false NOT NULL, 
	refused_lines TEXT[] DEFAULT '{}' NOT NULL, 
	answer_version BIGINT DEFAULT 0 NOT NULL, 
	routed_at TIMESTAMP WITH TIME ZONE, 
	routed_by TEXT, 
	rules JSONB, 
	losing_options JSONB, 
	closed_at TIMESTAMP WITH TIME ZONE, 
	closed_reason TEXT, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
)
 WITH (fillfactor = 80);

CREATE TABLE routes (
	route_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	warehouse TEXT, 
	lines JSONB NOT NULL, 
	line_ids TEXT[] NOT NULL, 
	cancelled_lines TEXT[] DEFAULT '{}' NOT NULL, 
	cancelled_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_routes PRIMARY KEY (route_id)
);

CREATE INDEX ix_routes_order_id ON routes (order_id);

CREATE TABLE shelf (
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	folded TEXT NOT NULL, 
	on_hand INTEGER NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_shelf PRIMARY KEY (shop_connection_id, shop_sku)
);

CREATE INDEX ix_shelf_tenant_environment_folded ON shelf (tenant, environment, folded);

CREATE TABLE shops (
	shop_connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	state TEXT NOT NULL, 
	label TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_shops PRIMARY KEY (shop_connection_id)
);

CREATE INDEX ix_shops_tenant ON shops (tenant);

CREATE TABLE sku_links (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	CONSTRAINT pk_sku_links PRIMARY KEY (connection_id, offer_sku)
);

CREATE INDEX ix_sku_links_shop_sku ON sku_links (shop_connection_id, shop_sku);

CREATE TABLE waits (
	order_id UUID NOT NULL, 
	line_id TEXT NOT NULL, 
	cause TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	connection_id UUID NOT NULL, 
	sku TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_waits PRIMARY KEY (order_id, line_id)
);

CREATE INDEX ix_waits_connection_id_sku ON waits (connection_id, sku);

CREATE INDEX ix_waits_tenant_sku ON waits (tenant, sku);
