"""The probe service's declaration."""

from hub_common.service import ServiceSpec
from hub_common.testing.probe.handlers import ROUTES
from hub_common.testing.probe.tables import METADATA
from hub_contracts import topics

SPEC = ServiceSpec(
    name="probe",
    package="hub_common.testing.probe",
    own_topic=topics.STOCK,
    listens=(topics.SHOP_ACTIVITY,),
    routes=ROUTES,
    metadata=METADATA,
)
