"""OAuth 2.0 for applications that manage devices: codes, tokens, and how often they may call.

Applications are registered in `seafleet.devices.clients`. The protocol's rules come from Authlib; what is
stored, and that a code or refresh token serves once, is ours.

Source: MetaAccess devices §1; RFC 6749; RFC 7636.
"""
