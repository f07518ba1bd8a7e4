"""Manifests: what people declare in YAML or over REST, checked as a whole and then written as rows."""

from api.manifests.applying import apply
from api.manifests.declaration import Applied, Outcome

__all__ = ["Applied", "Outcome", "apply"]
