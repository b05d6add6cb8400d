"""catalog-feed: product and offer feeds that marketplaces fetch, withheld when publishing them would do harm."""
