CREATE TABLE accounts (
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	pass_through BOOLEAN NOT NULL, 
	by_product_sku BOOLEAN NOT NULL, 
	shops UUID[] NOT NULL, 
	rules TEXT NOT NULL, 
	CONSTRAINT pk_accounts PRIMARY KEY (connection_id)
);

CREATE INDEX ix_accounts_tenant ON accounts (tenant);

CREATE TABLE offers (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	serving TEXT NOT NULL, 
	on_hand BIGINT DEFAULT 0 NOT NULL, 
	reserved BIGINT DEFAULT 0 NOT NULL, 
	buffer INTEGER DEFAULT 0 NOT NULL, 
	available BIGINT DEFAULT 0 NOT NULL, 
	stock_known BOOLEAN DEFAULT false NOT NULL, 
	price NUMERIC, 
	discount_price NUMERIC, 
	currency TEXT, 
	price_invalid BOOLEAN DEFAULT false NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE, 
	told BOOLEAN DEFAULT false NOT NULL, 
	push_version BIGINT DEFAULT 0 NOT NULL, 
	planned_quantity BIGINT, 
	planned_price NUMERIC, 
	planned_discount NUMERIC, 
	planned_currency TEXT, 
	pushed_quantity BIGINT, 
	quantity_pushed_at TIMESTAMP WITH TIME ZONE, 
	quantity_rejected TEXT, 
	pushed_price NUMERIC, 
	pushed_discount NUMERIC, 
	pushed_currency TEXT, 
	price_pushed_at TIMESTAMP WITH TIME ZONE, 
	price_rejected TEXT, 
	CONSTRAINT pk_offers PRIMARY KEY (connection_id, offer_sku)
)
 WITH (fillfactor = 80);

CREATE INDEX ix_offers_shop_sku ON offers (shop_connection_id, shop_sku);

CREATE INDEX ix_offers_sku ON offers (offer_sku);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	order_number TEXT NOT NULL, 
	reserves BOOLEAN NOT NULL, 
	claim TEXT NOT NULL, 
	status TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

CREATE TABLE reservations (
	order_id UUID NOT NULL, 
	line_id TEXT NOT NULL, 
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	product_sku TEXT, 
	quantity INTEGER NOT NULL, 
	claim TEXT NOT NULL, 
	state TEXT NOT NULL, 
	since TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_reservations PRIMARY KEY (order_id, line_id)
)
 WITH (fillfactor = 80);

CREATE INDEX ix_reservations_held ON reservations (connection_id, offer_sku) WHERE state = 'held';

CREATE TABLE shop_orders (
	order_id UUID NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	taken_at TIMESTAMP WITH TIME ZONE, 
	cancelled_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_shop_orders PRIMARY KEY (order_id, shop_connection_id)
);

CREATE TABLE shop_prices (
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	price NUMERIC NOT NULL, 
	discount_price NUMERIC, 
	currency TEXT NOT NULL, 
	reported_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_shop_prices PRIMARY KEY (shop_connection_id, shop_sku, channel)
);

CREATE TABLE shop_stock (
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	warehouse TEXT NOT NULL, 
	quantity BIGINT NOT NULL, 
	reported_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	reported_by TEXT NOT NULL, 
	CONSTRAINT pk_shop_stock PRIMARY KEY (shop_connection_id, shop_sku, warehouse)
);

CREATE TABLE sku_links (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	CONSTRAINT pk_sku_links PRIMARY KEY (connection_id, offer_sku)
);

CREATE INDEX ix_sku_links_shop_sku ON sku_links (shop_connection_id, shop_sku);
