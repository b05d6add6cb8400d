CREATE TABLE invoices (
	order_id UUID NOT NULL, 
	route_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	shop_connection_id UUID NOT NULL, 
	tenant TEXT NOT NULL, 
	state TEXT DEFAULT 'wanted' NOT NULL, 
	wanted_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	next_fetch_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	fetches INTEGER DEFAULT 0 NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	alarm_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	alarmed_at TIMESTAMP WITH TIME ZONE, 
	file_name TEXT, 
	revision INTEGER DEFAULT 0 NOT NULL, 
	effect_id UUID, 
	settled_at TIMESTAMP WITH TIME ZONE, 
	traceparent TEXT, 
	causation_id TEXT, 
	CONSTRAINT pk_invoices PRIMARY KEY (order_id, route_id)
);

CREATE INDEX ix_invoices_alarm ON invoices (alarm_at) WHERE state = 'wanted' and alarmed_at is null;

CREATE INDEX ix_invoices_wanted ON invoices (next_fetch_at) WHERE state = 'wanted';

CREATE TABLE shop_references (
	route_id UUID NOT NULL, 
	order_id UUID NOT NULL, 
	shop_order_reference TEXT NOT NULL, 
	CONSTRAINT pk_shop_references PRIMARY KEY (route_id)
);
