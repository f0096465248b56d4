"""Device profiles: what a model must fit. Schema and catalogue."""
