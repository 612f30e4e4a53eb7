"""The token endpoint of OAuth; the page that asks for consent is one of `seafleet.web`.

Source: MetaAccess devices §1.
"""

from __future__ import annotations

from seafleet.api.kernel import PUBLIC, ApiRequest, Marker, Reply, route
from seafleet.api.kernel.basic import basic_credentials
from seafleet.api.kernel.errors import method_not_allowed
from seafleet.api.metaaccess.surface import NAME
from seafleet.oauth.service import TOKEN_FIELDS


@route(
    "GET",
    "/o/oauth/token",
    operation="oauth-token-by-get",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle="anon",
    surface=NAME,
)
@route(
    "POST",
    "/o/oauth/token",
    operation="oauth-token",
    action=Marker.BEARER,
    auth=PUBLIC,
    throttle="anon",
    surface=NAME,
)
def token(request: ApiRequest) -> Reply:
    """Give tokens for client credentials, a code or a refresh token.

    A GET carries everything in the query, which is never logged; there are applications that know no other
    way.
    """
    if request.method == "HEAD":
        raise method_not_allowed("HEAD", ("GET", "POST", "OPTIONS"))
    place = request.queries if request.method == "GET" else request.params
    fields = {name: place(name) for name in TOKEN_FIELDS}
    answer = request.services.oauth.token(fields, basic_credentials(request.headers.get("authorization")))
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    return Reply(dict(answer.body), answer.status, headers)
