CREATE TABLE feed_profiles (
	connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	settings JSONB NOT NULL, 
	token_hash TEXT NOT NULL, 
	token_sealed JSONB NOT NULL, 
	rotated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	changes BIGINT DEFAULT 1 NOT NULL, 
	built_changes BIGINT DEFAULT 0 NOT NULL, 
	dirty_since TIMESTAMP WITH TIME ZONE, 
	published_version INTEGER, 
	problems JSONB DEFAULT '[]' NOT NULL, 
	problems_sha256 TEXT, 
	last_fetched_at TIMESTAMP WITH TIME ZONE, 
	last_fetched_version INTEGER, 
	fetches BIGINT DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_feed_profiles PRIMARY KEY (connection_id)
);

CREATE INDEX ix_feed_profiles_dirty ON feed_profiles (dirty_since) WHERE dirty_since is not null;

CREATE TABLE feeds (
	connection_id UUID NOT NULL, 
	version INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	sha256 TEXT NOT NULL, 
	content BYTEA, 
	state TEXT NOT NULL, 
	problems JSONB DEFAULT '[]' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	published_at TIMESTAMP WITH TIME ZONE, 
	forced_by TEXT, 
	forced_reason TEXT, 
	CONSTRAINT pk_feeds PRIMARY KEY (connection_id, version)
);

CREATE TABLE offers (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	available BIGINT NOT NULL, 
	price NUMERIC, 
	currency TEXT, 
	version BIGINT NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_offers PRIMARY KEY (connection_id, offer_sku)
);

CREATE INDEX ix_offers_shop_sku ON offers (shop_connection_id, shop_sku);

CREATE TABLE products (
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	ean TEXT, 
	sku_manufacturer TEXT, 
	brand TEXT, 
	title TEXT, 
	description TEXT, 
	category TEXT, 
	condition TEXT, 
	weight NUMERIC, 
	min_quantity INTEGER, 
	images TEXT[] NOT NULL, 
	updated_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_products PRIMARY KEY (shop_connection_id, shop_sku)
);

CREATE TABLE shipping_templates (
	connection_id UUID NOT NULL, 
	name TEXT NOT NULL, 
	countries TEXT[] NOT NULL, 
	cost NUMERIC NOT NULL, 
	currency TEXT NOT NULL, 
	lead_days_min INTEGER NOT NULL, 
	lead_days_max INTEGER NOT NULL, 
	active BOOLEAN NOT NULL, 
	is_default BOOLEAN NOT NULL, 
	CONSTRAINT pk_shipping_templates PRIMARY KEY (connection_id, name)
);

CREATE TABLE template_assignments (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	template TEXT NOT NULL, 
	CONSTRAINT pk_template_assignments PRIMARY KEY (connection_id, offer_sku, template)
);
