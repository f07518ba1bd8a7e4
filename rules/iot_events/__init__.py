"""AWS IoT Events models (JSON) into rule files; what cannot be expressed is named."""

from rules.iot_events.importer import Imported, Outcome, import_file

__all__ = ["Imported", "Outcome", "import_file"]
