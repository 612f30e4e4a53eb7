"""What the registry's own API shows of devices, events and the rest. Times are ISO 8601 in UTC.

Source: device registry §9, §13.15, §13.16.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from seafleet.devices.macs import shown_mac
from seafleet.devices.model import DevicePolicy, verdict
from seafleet.devices.record import words

if TYPE_CHECKING:
    from seafleet.devices.clients import OAuthClient, RoleGrant
    from seafleet.devices.commands import Command
    from seafleet.devices.enrolment import EnrolmentCode
    from seafleet.devices.events import DeviceEvent
    from seafleet.devices.organizations import Organization
    from seafleet.devices.record import Device

Json = dict[str, Any]


def time(moment: datetime | None) -> str | None:
    """Return `2026-05-13T08:00:00Z`, None for never."""
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def device_json(device: Device, policy: DevicePolicy, now: datetime) -> Json:
    """Return everything about a device."""
    told = words(device, now)
    found = verdict(device.state(), policy, int(now.timestamp()))
    return {
        "id": device.id,
        "uid": device.uid,
        "identifier": device.identifier,
        "hwid": device.hwid,
        "hwid_source": device.hwid_source,
        "aliases": list(device.aliases),
        "organization_id": device.organization_id,
        "kind": device.kind,
        "ignored": device.ignored,
        "display_name": device.display_name,
        "host_name": device.host_name,
        "owner": device.owner_name,
        "description": device.description,
        "platform": device.platform,
        "machine_type": device.machine_type,
        "os_family": device.os_family,
        "os_name": device.os_name,
        "os_version": device.os_version,
        "architecture": device.architecture,
        "model": device.model,
        "is_domain_controller": device.is_domain_controller,
        "approval": device.approval,
        "admin_state": device.admin_state,
        "expired": device.expired,
        "status": told.mobilefirst,
        "metaaccess_status": told.metaaccess,
        "access": {"allowed": found.allowed, "reason": None if found.allowed else found.status},
        "license": device.license,
        "row_version": device.row_version,
        "pending": list(device.pending),
        **_states(device),
        **_around(device),
        "last_seen": time(device.last_seen),
        "last_ip": device.last_ip,
        "created_at": time(device.created_at),
        "enrolled_at": time(device.enrolled_at),
        "updated_at": time(device.updated_at),
        "removed_at": time(device.removed_at),
        "merged_into": device.merged_into,
    }


def _states(device: Device) -> Json:
    wipe, exemption, agent, posture = device.wipe, device.exemption, device.agent, device.posture
    return {
        "wipe": {
            "state": wipe.state,
            "source": wipe.source or None,
            "requested_at": time(wipe.requested_at),
            "requested_by": wipe.requested_by or None,
            "delivered_at": time(wipe.delivered_at),
            "done_at": time(wipe.done_at),
        },
        "posture": {
            "state": posture.state,
            "issues": [
                {"code": issue.code, "severity": issue.severity, "text": issue.text}
                for issue in posture.issues
            ],
            "evaluated_at": time(posture.evaluated_at),
        },
        "exemption": exemption
        and {
            "until": time(exemption.until),
            "by": exemption.by,
            "at": time(exemption.at),
            "reason": exemption.reason,
        },
        "agent": agent
        and {
            "type": agent.type,
            "version": agent.version,
            "generation": agent.generation,
            "last_report": time(agent.reported_at),
        },
    }


def _around(device: Device) -> Json:
    return {
        "macs": [shown_mac(interface.mac) for interface in device.macs],
        "interfaces": [
            {
                "name": interface.name,
                "mac": shown_mac(interface.mac),
                "ipv4": interface.ipv4,
                "ipv6": interface.ipv6,
                "dhcp": interface.dhcp,
                "first_seen": time(interface.first_seen),
                "last_seen": time(interface.last_seen),
            }
            for interface in device.macs
        ],
        "links": [
            {
                "user": link.email,
                "platform": link.platform,
                "device_id": link.client_device_id,
                "device_name": link.device_name,
                "client_version": link.client_version,
                "platform_version": link.platform_version,
                "app": link.app_name,
                "last_accessed": time(link.last_accessed),
                "last_login_ip": link.last_login_ip,
                "wiped_at": time(link.wiped_at),
                "wipe_source": link.wipe_source,
            }
            for link in device.links
        ],
        "apps": [
            {"name": app.name, "app_id": app.app_id, "version": app.version, "status": app.status}
            for app in device.apps
        ],
        "groups": [{"id": group.id, "name": group.name} for group in device.groups],
        "custom_attributes": device.attributes,
        "users": list(device.reported_users),
        "linked_user": {"username": device.linked_user, "group": device.linked_user_group},
    }


def command_json(command: Command) -> Json:
    """Return a command with its history."""
    return {
        "id": command.id,
        "type": command.type,
        "params": command.params,
        "state": command.state,
        "generation": command.generation,
        "created_at": time(command.created_at),
        "created_by": command.created_by,
        "delivered_at": time(command.delivered_at),
        "finished_at": time(command.finished_at),
        "detail": command.detail,
    }


def event_json(event: DeviceEvent) -> Json:
    """Return an entry of the log."""
    subject = {"id": event.device_id, "uid": event.device_uid, "name": event.device_name}
    return {
        "id": event.id,
        "at": time(event.at),
        "actor": {"kind": event.actor_kind, "name": event.actor_name},
        "dialect": event.dialect,
        "action": event.action,
        "device": subject if event.device_id is not None else None,
        "before": event.before,
        "after": event.after,
        "address": event.address,
        "request_id": event.request_id,
    }


def organization_json(organization: Organization) -> Json:
    """Return an organization; its token is never shown again."""
    policy = organization.posture_policy
    return {
        "id": organization.id,
        "name": organization.name,
        "runtime": organization.runtime,
        "running": organization.running,
        "created_at": time(organization.created_at),
        "has_api_token": organization.has_token,
        "posture_policy": None if policy is None else [check.as_json() for check in policy],
    }


def grant_json(grant: RoleGrant) -> Json:
    """Return a role grant."""
    return {
        "id": grant.id,
        "user": grant.email,
        "role": grant.role,
        "runtime": grant.runtime,
        "created_at": time(grant.created_at),
    }


def client_json(client: OAuthClient) -> Json:
    """Return an application without its secret."""
    return {
        "id": client.id,
        "client_id": client.client_id,
        "name": client.name,
        "organization_id": client.organization_id,
        "redirect_uris": list(client.redirect_uris),
        "created_by": client.email,
        "created_at": time(client.created_at),
        "usable": client.is_usable,
    }


def code_json(code: EnrolmentCode) -> Json:
    """Return an enrolment code without the code."""
    return {
        "id": code.id,
        "organization_id": code.organization_id,
        "max_uses": code.max_uses,
        "uses": code.uses,
        "expires_at": time(code.expires_at),
        "group": code.group_name,
        "auto_approve": code.auto_approve,
        "created_at": time(code.created_at),
        "created_by": code.created_by,
    }
