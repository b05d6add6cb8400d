ALTER TABLE feed_profiles ADD COLUMN feed TEXT DEFAULT 'catalogue' NOT NULL;

ALTER TABLE feed_profiles ADD COLUMN row_problems JSONB DEFAULT '[]' NOT NULL;

ALTER TABLE feed_profiles DROP CONSTRAINT pk_feed_profiles;

ALTER TABLE feed_profiles ADD CONSTRAINT pk_feed_profiles PRIMARY KEY (connection_id, feed);

ALTER TABLE feeds ADD COLUMN feed TEXT DEFAULT 'catalogue' NOT NULL;

ALTER TABLE feeds ADD COLUMN separator TEXT DEFAULT ',' NOT NULL;

ALTER TABLE feeds ADD COLUMN sku_header TEXT;

ALTER TABLE feeds DROP CONSTRAINT pk_feeds;

ALTER TABLE feeds ADD CONSTRAINT pk_feeds PRIMARY KEY (connection_id, feed, version);

ALTER TABLE offers ADD COLUMN priced_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE offers ADD COLUMN pushed_at TIMESTAMP WITH TIME ZONE;

CREATE TABLE go_live_ticks (
	connection_id UUID NOT NULL,
	item TEXT NOT NULL,
	done BOOLEAN NOT NULL,
	note TEXT NOT NULL,
	ticked_by TEXT NOT NULL,
	ticked_at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_go_live_ticks PRIMARY KEY (connection_id, item)
);

CREATE TABLE grid_rules (
	connection_id UUID NOT NULL,
	position INTEGER NOT NULL,
	name TEXT NOT NULL,
	grids TEXT[] NOT NULL,
	sku_prefix TEXT,
	weight_from NUMERIC,
	weight_below NUMERIC,
	price_from NUMERIC,
	price_below NUMERIC,
	CONSTRAINT pk_grid_rules PRIMARY KEY (connection_id, position)
);

CREATE TABLE listings (
	connection_id UUID NOT NULL,
	offer_sku TEXT NOT NULL,
	tenant TEXT NOT NULL,
	request JSONB NOT NULL,
	version BIGINT NOT NULL,
	state TEXT NOT NULL,
	effect_id UUID NOT NULL,
	problems JSONB DEFAULT '[]' NOT NULL,
	stated_at TIMESTAMP WITH TIME ZONE NOT NULL,
	stated_by TEXT NOT NULL,
	resend_at TIMESTAMP WITH TIME ZONE,
	listed_at TIMESTAMP WITH TIME ZONE,
	listed_version BIGINT,
	import_reference TEXT,
	CONSTRAINT pk_listings PRIMARY KEY (connection_id, offer_sku)
);

CREATE INDEX ix_listings_resend ON listings (resend_at) WHERE resend_at is not null;

CREATE TABLE product_import_problems (
	import_id UUID NOT NULL,
	seq INTEGER NOT NULL,
	row INTEGER,
	offer_sku TEXT,
	severity TEXT NOT NULL,
	field TEXT NOT NULL,
	code TEXT,
	rule TEXT NOT NULL,
	next_step TEXT NOT NULL,
	CONSTRAINT pk_product_import_problems PRIMARY KEY (import_id, seq)
);

CREATE TABLE product_imports (
	import_id UUID NOT NULL,
	connection_id UUID NOT NULL,
	tenant TEXT NOT NULL,
	file_name TEXT NOT NULL,
	operator_format BOOLEAN NOT NULL,
	sha256 TEXT NOT NULL,
	bytes BIGINT NOT NULL,
	rows INTEGER,
	content BYTEA,
	state TEXT NOT NULL,
	reason TEXT DEFAULT '' NOT NULL,
	effect_id UUID,
	import_reference TEXT,
	counters JSONB DEFAULT '{}' NOT NULL,
	uploaded_at TIMESTAMP WITH TIME ZONE NOT NULL,
	uploaded_by TEXT NOT NULL,
	ended_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_product_imports PRIMARY KEY (import_id)
);

CREATE INDEX ix_product_imports_connection ON product_imports (connection_id, uploaded_at);

CREATE INDEX ix_product_imports_kept ON product_imports (ended_at) WHERE content is not null;

CREATE TABLE releases (
	connection_id UUID NOT NULL,
	offer_sku TEXT NOT NULL,
	fields TEXT[] NOT NULL,
	version BIGINT NOT NULL,
	state TEXT NOT NULL,
	effect_id UUID NOT NULL,
	reason TEXT DEFAULT '' NOT NULL,
	requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
	requested_by TEXT NOT NULL,
	settled_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_releases PRIMARY KEY (connection_id, offer_sku)
);
