"""What callers are told of errors, in the languages that they may ask for. English stands for all others.

Source: MobileFirst devices §2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("en", "de", "fr", "es")

_is_locale = re.compile(r"([A-Za-z]{2})(?:[_-][A-Za-z0-9]{1,8})*").fullmatch

# In the order of LANGUAGES.
_CATALOG: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "unauthorized": (
        "The user name or the password is missing or wrong.",
        "Benutzername oder Kennwort fehlt oder ist falsch.",
        "Le nom d'utilisateur ou le mot de passe est absent ou incorrect.",
        "Falta el nombre de usuario o la contraseña, o no son correctos.",
    ),
    "forbidden": (
        "The user is not authorized to call this service.",
        "Der Benutzer ist nicht berechtigt, diesen Service aufzurufen.",
        "L'utilisateur n'est pas autorisé à appeler ce service.",
        "El usuario no está autorizado a llamar a este servicio.",
    ),
    "runtime_not_found": (
        'The runtime "{runtime}" was not found or is not running.',
        'Die Laufzeit "{runtime}" wurde nicht gefunden oder ist nicht aktiv.',
        "L'environnement d'exécution \"{runtime}\" est introuvable ou n'est pas actif.",
        'El tiempo de ejecución "{runtime}" no se ha encontrado o no está en ejecución.',
    ),
    "device_not_found": (
        'The device "{device}" was not found.',
        'Das Gerät "{device}" wurde nicht gefunden.',
        'L\'appareil "{device}" est introuvable.',
        'El dispositivo "{device}" no se ha encontrado.',
    ),
    "application_not_found": (
        'The application "{application}" was not found on the device.',
        'Die Anwendung "{application}" wurde auf dem Gerät nicht gefunden.',
        "L'application \"{application}\" est introuvable sur l'appareil.",
        'La aplicación "{application}" no se ha encontrado en el dispositivo.',
    ),
    "transaction_not_found": (
        'The transaction "{transaction}" was not found.',
        'Die Transaktion "{transaction}" wurde nicht gefunden.',
        'La transaction "{transaction}" est introuvable.',
        'La transacción "{transaction}" no se ha encontrado.',
    ),
    "not_found": (
        "There is no such service.",
        "Diesen Service gibt es nicht.",
        "Ce service n'existe pas.",
        "Este servicio no existe.",
    ),
    "method_not_allowed": (
        "This method is not allowed here.",
        "Diese Methode ist hier nicht zulässig.",
        "Cette méthode n'est pas autorisée ici.",
        "Este método no está permitido aquí.",
    ),
    "not_acceptable": (
        "The answer is available as application/json, application/xml and text/xml only.",
        "Die Antwort gibt es nur als application/json, application/xml und text/xml.",
        "La réponse n'est disponible qu'en application/json, application/xml et text/xml.",
        "La respuesta solo está disponible como application/json, application/xml y text/xml.",
    ),
    "unsupported_media_type": (
        "The payload must be of the type application/json.",
        "Die Nutzdaten müssen vom Typ application/json sein.",
        "Les données doivent être du type application/json.",
        "Los datos deben ser del tipo application/json.",
    ),
    "payload_invalid": (
        "The payload is invalid.",
        "Die Nutzdaten sind ungültig.",
        "Les données ne sont pas valides.",
        "Los datos no son válidos.",
    ),
    "status_invalid": (
        "The status must be one of {values}.",
        "Der Status muss einer der Werte {values} sein.",
        "Le statut doit être l'une des valeurs {values}.",
        "El estado debe ser uno de los valores {values}.",
    ),
    "parameter_invalid": (
        'The value of the parameter "{parameter}" is invalid.',
        'Der Wert des Parameters "{parameter}" ist ungültig.',
        'La valeur du paramètre "{parameter}" n\'est pas valide.',
        'El valor del parámetro "{parameter}" no es válido.',
    ),
    "bookmark_mismatch": (
        'The bookmark was made with another value of "{parameter}".',
        'Das Lesezeichen wurde mit einem anderen Wert von "{parameter}" erstellt.',
        'Le signet a été créé avec une autre valeur de "{parameter}".',
        'El marcador se creó con otro valor de "{parameter}".',
    ),
    "query_malformed": (
        "The query of the address is malformed.",
        "Die Abfrage der Adresse ist fehlerhaft.",
        "La requête de l'adresse est mal formée.",
        "La consulta de la dirección tiene un formato incorrecto.",
    ),
    "payload_too_large": (
        "The payload is too large.",
        "Die Nutzdaten sind zu groß.",
        "Les données sont trop volumineuses.",
        "Los datos son demasiado grandes.",
    ),
    "too_many_requests": (
        "There were too many requests. Try again later.",
        "Es gab zu viele Anforderungen. Versuchen Sie es später erneut.",
        "Il y a eu trop de demandes. Réessayez plus tard.",
        "Ha habido demasiadas solicitudes. Inténtelo de nuevo más tarde.",
    ),
    "unavailable": (
        "The service is unavailable. Try again later.",
        "Der Service ist nicht verfügbar. Versuchen Sie es später erneut.",
        "Le service n'est pas disponible. Réessayez plus tard.",
        "El servicio no está disponible. Inténtelo de nuevo más tarde.",
    ),
    "internal_error": (
        "An internal error occurred.",
        "Ein interner Fehler ist aufgetreten.",
        "Une erreur interne s'est produite.",
        "Se ha producido un error interno.",
    ),
}
KEYS: Final = frozenset(_CATALOG)


def language_of(locale: str) -> str:
    """Return the language that a locale such as `de_DE`, `de-DE` or `de` asks for."""
    found = _is_locale(locale)
    wanted = found.group(1).lower() if found else ""
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def message(key: str, language: str, arguments: Mapping[str, str]) -> str:
    """Return a sentence in one of LANGUAGES."""
    return _CATALOG[key][LANGUAGES.index(language)].format_map(arguments)
