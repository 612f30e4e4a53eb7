"""How values look in the Web API's JSON: the only place for the wire's spellings."""
