"""What a browser is shown: the page at `/` and the interactive documentation at `/docs`, both without a CDN."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

# The pages lie where `/static` does not reach: there they would come without the policy below, for any page to frame.
_PAGES = Path(__file__).parent / "pages"
_STATIC = Path(__file__).parent / "static"
# Only our own files run, nothing is loaded from or sent to anywhere else, and no other page may frame these.
_OWN = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; "
)


@router.get("/")
async def page() -> FileResponse:
    """Return the page for uploading a photo."""
    return FileResponse(_PAGES / "index.html", headers=_headers("style-src 'self'; img-src 'self'"))


@router.get("/docs")
async def docs() -> FileResponse:
    """Return Swagger UI for `/openapi.json`; it writes style attributes and shows pictures it has made itself."""
    headers = _headers("style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:")
    return FileResponse(_PAGES / "docs.html", headers=headers)


def mount(app: FastAPI) -> None:
    """Serve the pages and the files they are made of."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_STATIC))
    # `fastapi-offline` is used for the copy of Swagger UI that it carries.
    app.mount("/swagger", StaticFiles(directory=str(files("fastapi_offline") / "static")))


def _headers(policy: str) -> dict[str, str]:
    return {"content-security-policy": _OWN + policy, "referrer-policy": "no-referrer", "cache-control": "no-cache"}
