CREATE TABLE erasures (
	order_id UUID NOT NULL,
	erased_at TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_erasures PRIMARY KEY (order_id)
);
