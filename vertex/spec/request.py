"""Converts a plan to the request to Vertex AI. Only this module uses the SDK's message classes."""

from __future__ import annotations

from typing import Any

from vertex.errors import RequestRejected
from vertex.spec.plan import ClusterPlan, PoolPlan


def resource_of(plan: ClusterPlan) -> Any:
    """The SDK's PersistentResource. As by default in the SDK, metrics and logs are enabled."""
    sdk = types()
    runtime = sdk.ResourceRuntimeSpec(
        ray_spec=sdk.RaySpec(
            resource_pool_images={pool.id: pool.image for pool in plan.pools},
            ray_metric_spec=sdk.RayMetricSpec(disabled=False),
            ray_logs_spec=sdk.RayLogsSpec(disabled=False),
        )
    )
    if plan.account:
        runtime.service_account_spec = sdk.ServiceAccountSpec(
            enable_custom_service_account=True, service_account=plan.account
        )
    return sdk.PersistentResource(
        resource_pools=[pool_message(sdk, pool) for pool in plan.pools],
        network=plan.network or None,
        labels=dict(plan.labels),
        resource_runtime_spec=runtime,
    )


def pool_message(sdk: Any, pool: PoolPlan) -> Any:
    """The SDK's ResourcePool for one pool."""
    machine = pool.machine
    message = sdk.ResourcePool(
        id=pool.id,
        machine_spec={
            "machine_type": machine.machine_type,
            "accelerator_type": accelerator(sdk, machine.accelerator_type),
            "accelerator_count": machine.accelerator_count,
        },
        disk_spec={"boot_disk_type": machine.disk_type, "boot_disk_size_gb": machine.disk_gb},
    )
    if pool.bounds:
        least, most = pool.bounds
        message.autoscaling_spec = {"min_replica_count": least, "max_replica_count": most}
    else:
        message.replica_count = pool.nodes
    return message


def accelerator(sdk: Any, name: str) -> Any:
    """The SDK's enum value for an accelerator. Raises UsageError if the SDK does not know it."""
    if not name:
        return None
    known = [one.name for one in sdk.AcceleratorType if one.value and "TPU" not in one.name]
    if name not in known:
        import difflib

        from raydock.errors import UsageError

        near = difflib.get_close_matches(name, known, 1)
        raise UsageError(
            f"Vertex AI has no accelerator {name}.",
            f"Did you mean {near[0]}? (compose.yaml, x-vertex)"
            if near
            else f"Accelerators: {', '.join(known)}.",
        )
    return sdk.AcceleratorType[name]


def types() -> Any:
    """The SDK's message classes. Raises RequestRejected if the SDK is not installed."""
    try:
        from google.cloud.aiplatform_v1beta1 import types
    except ImportError:
        raise RequestRejected(
            "Google's SDK for Vertex AI is not installed.", "pip install google-cloud-aiplatform"
        ) from None
    return types
