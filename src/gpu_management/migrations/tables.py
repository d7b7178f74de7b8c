"""Every table there is, collected by importing the modules that declare them."""

from gpu_management.alerts import models as alerts
from gpu_management.allocations import models as allocations
from gpu_management.auth import models as auth
from gpu_management.cluster import models as cluster
from gpu_management.core.database import Base
from gpu_management.costs import models as costs
from gpu_management.devices import models as devices
from gpu_management.events import models as events
from gpu_management.metrics import models as metrics
from gpu_management.mig import models as mig
from gpu_management.mig import plan_models as mig_plans
from gpu_management.notifications import models as notifications
from gpu_management.optimization import models as optimization
from gpu_management.rates import models as rates
from gpu_management.resources import models as resources

DECLARED = (
    notifications,
    auth,
    events,
    cluster,
    devices,
    mig,
    mig_plans,
    rates,
    allocations,
    metrics,
    costs,
    alerts,
    optimization,
    resources,
)
METADATA = Base.metadata
