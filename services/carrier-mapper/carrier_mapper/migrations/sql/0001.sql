CREATE TABLE carrier_rules (
	connection_id UUID NOT NULL, 
	rule_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	carrier_code TEXT, 
	carrier_name TEXT, 
	shop_carrier TEXT, 
	pattern TEXT, 
	destination_country TEXT, 
	strip_marker TEXT, 
	tracking_url_template TEXT, 
	enabled BOOLEAN NOT NULL, 
	version INTEGER NOT NULL, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	changed_by TEXT NOT NULL, 
	CONSTRAINT pk_carrier_rules PRIMARY KEY (connection_id, rule_id)
);

CREATE TABLE marketplace_carriers (
	connection_id UUID NOT NULL, 
	carriers JSONB, 
	fetched_at TIMESTAMP WITH TIME ZONE, 
	next_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	failures INTEGER DEFAULT 0 NOT NULL, 
	error TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_marketplace_carriers PRIMARY KEY (connection_id)
);

CREATE TABLE orders (
	order_id UUID NOT NULL, 
	version BIGINT DEFAULT 0 NOT NULL, 
	order_references TEXT[] DEFAULT '{}' NOT NULL, 
	destination_country TEXT, 
	ship_by TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_orders PRIMARY KEY (order_id)
);

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
	outcome TEXT, 
	cause TEXT, 
	mapped_by TEXT, 
	decision JSONB, 
	decided_at TIMESTAMP WITH TIME ZONE, 
	decided_by TEXT, 
	corrected BOOLEAN DEFAULT true NOT NULL, 
	told JSONB, 
	CONSTRAINT pk_parcels PRIMARY KEY (parcel_id)
);

CREATE INDEX ix_parcels_connection_handed_over ON parcels (connection_id, handed_over_at);

CREATE INDEX ix_parcels_order_id ON parcels (order_id);

CREATE INDEX ix_parcels_parked ON parcels (connection_id) WHERE outcome = 'parked';

CREATE INDEX ix_parcels_undecided ON parcels (parcel_id) WHERE outcome is null and live;
