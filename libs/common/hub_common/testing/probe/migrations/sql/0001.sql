CREATE TABLE notes (
	sku TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	times BIGINT NOT NULL, 
	CONSTRAINT pk_notes PRIMARY KEY (sku)
);
