"""stock-sync: how many units of each offer may be sold and at which price, and that the marketplaces are told so."""
