CREATE TABLE api_keys (
	api_key_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	label TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	created_by TEXT NOT NULL, 
	revoked_at TIMESTAMP WITH TIME ZONE, 
	revoked_by TEXT, 
	CONSTRAINT pk_api_keys PRIMARY KEY (api_key_id)
);

CREATE INDEX ix_api_keys_connection_id ON api_keys (connection_id);

CREATE TABLE backfills (
	backfill_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	created_from TIMESTAMP WITH TIME ZONE NOT NULL, 
	created_until TIMESTAMP WITH TIME ZONE NOT NULL, 
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	requested_by TEXT NOT NULL, 
	CONSTRAINT pk_backfills PRIMARY KEY (backfill_id)
);

CREATE INDEX ix_backfills_connection_id ON backfills (connection_id, backfill_id);

CREATE TABLE connection_changes (
	change_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	version BIGINT NOT NULL, 
	at TIMESTAMP WITH TIME ZONE NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	fields TEXT[] NOT NULL, 
	CONSTRAINT pk_connection_changes PRIMARY KEY (change_id)
);

CREATE INDEX ix_connection_changes_connection_id ON connection_changes (connection_id, change_id);

CREATE TABLE connection_details (
	connection_id UUID NOT NULL, 
	note TEXT DEFAULT '' NOT NULL, 
	contacts JSONB DEFAULT '[]' NOT NULL, 
	credential_fields JSONB DEFAULT '{}' NOT NULL, 
	credential_ref TEXT NOT NULL, 
	fingerprint TEXT, 
	budget_overrides JSONB DEFAULT '{}' NOT NULL, 
	verification JSONB, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	created_by TEXT NOT NULL, 
	CONSTRAINT pk_connection_details PRIMARY KEY (connection_id)
);

CREATE INDEX ix_connection_details_credential_ref ON connection_details (credential_ref);

CREATE INDEX ix_connection_details_fingerprint ON connection_details (fingerprint);

CREATE TABLE registry_secrets (
	name TEXT NOT NULL, 
	sealed JSONB NOT NULL, 
	CONSTRAINT pk_registry_secrets PRIMARY KEY (name)
);

CREATE TABLE sku_links (
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	shop_sku TEXT NOT NULL, 
	CONSTRAINT pk_sku_links PRIMARY KEY (connection_id, offer_sku)
);

CREATE INDEX ix_sku_links_shop_sku ON sku_links (shop_connection_id, shop_sku);

CREATE TABLE test_orders (
	test_order_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	offer_sku TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	country TEXT NOT NULL, 
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	requested_by TEXT NOT NULL, 
	CONSTRAINT pk_test_orders PRIMARY KEY (test_order_id)
);

CREATE INDEX ix_test_orders_connection_id ON test_orders (connection_id, test_order_id);
