"""Which of the marketplace's carriers moves a parcel; a wrong or silent answer here makes tracking worthless."""
