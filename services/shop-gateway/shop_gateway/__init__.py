"""shop-gateway: creates and stops orders in shops, and takes what shops tell: parcels, returns, stock, prices."""
