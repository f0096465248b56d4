"""The command line: one file a verb, thin over ``edgekit.api``, loaded only when called."""
