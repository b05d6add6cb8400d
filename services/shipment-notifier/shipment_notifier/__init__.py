"""shipment-notifier: tells the marketplace which parcels left, once each, and watches the ship-by clock."""
