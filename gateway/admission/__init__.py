"""Admission: which model a client may ask, how often, and when its turn is."""

from gateway.admission.addresses import client_address
from gateway.admission.admission import FREE, Admission, Meter
from gateway.admission.permissions import allowed

__all__ = ["FREE", "Admission", "Meter", "allowed", "client_address"]
