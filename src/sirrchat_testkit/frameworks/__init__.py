"""Web frameworks: their mail settings point at a server for a while. A framework is imported only when it is used."""
