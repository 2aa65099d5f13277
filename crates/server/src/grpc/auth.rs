//! `etcdserverpb.Auth`: users, roles, and who they are.

use std::sync::Arc;

use proto::etcd::authpb;
use proto::etcd::etcdserverpb::{
    AuthDisableRequest, AuthDisableResponse, AuthEnableRequest, AuthEnableResponse,
    AuthRoleAddRequest, AuthRoleAddResponse, AuthRoleDeleteRequest, AuthRoleDeleteResponse,
    AuthRoleGetRequest, AuthRoleGetResponse, AuthRoleGrantPermissionRequest,
    AuthRoleGrantPermissionResponse, AuthRoleListRequest, AuthRoleListResponse,
    AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse, AuthStatusRequest,
    AuthStatusResponse, AuthUserAddRequest, AuthUserAddResponse, AuthUserChangePasswordRequest,
    AuthUserChangePasswordResponse, AuthUserDeleteRequest, AuthUserDeleteResponse,
    AuthUserGetRequest, AuthUserGetResponse, AuthUserGrantRoleRequest, AuthUserGrantRoleResponse,
    AuthUserListRequest, AuthUserListResponse, AuthUserRevokeRoleRequest,
    AuthUserRevokeRoleResponse, AuthenticateRequest, AuthenticateResponse, ResponseHeader,
    auth_server,
};
use store::{Access, Auth, AuthChange, Command, Need, Outcome, Permission};
use tonic::{Request, Response, Status};

use super::gate::{Asks, Gate, Guest, REQUEST_TIMEOUT};
use super::refusal::Refusal;
use crate::access::{can_be_set, log_in};

/// The service.
pub(super) struct Users {
    gate: Arc<Gate>,
}

impl Users {
    pub(super) fn new(gate: Arc<Gate>) -> Users {
        Users { gate }
    }

    async fn admit<T>(&self, request: &Request<T>) -> Result<Guest, Refusal> {
        self.gate.admit(request.metadata(), Asks::Voters).await
    }

    /// Makes a change, as whoever asks; answers the header.
    async fn change<T>(
        &self,
        request: &Request<T>,
        change: AuthChange,
    ) -> Result<Option<ResponseHeader>, Refusal> {
        let guest = self.admit(request).await?;
        changed(&guest, change).await
    }

    /// The tables, as new as can be, for whoever may see this of them.
    async fn tables<T>(
        &self,
        request: &Request<T>,
        need: Need<'_>,
    ) -> Result<(Arc<Auth>, Option<ResponseHeader>), Refusal> {
        let guest = self.admit(request).await?;
        let auth = guest.fresh(need, false).await?.auth();
        Ok((auth, Some(guest.header_now())))
    }

    /// What is kept of a password that somebody is to have; none if they are to have none.
    async fn password_hash(
        &self,
        guest: &Guest,
        password: &str,
        options: Option<authpb::UserAddOptions>,
    ) -> Result<Option<Arc<str>>, Refusal> {
        // Whoever may not set it does not have it looked at.
        guest.permit(Need::Root).await?;
        if options.is_some_and(|options| options.no_password) {
            return Ok(None);
        }
        if !can_be_set(password) {
            return Err(Refusal::RequestTooLarge);
        }
        Ok(Some(self.gate.node().access().hash(password).await?))
    }
}

async fn changed(guest: &Guest, change: AuthChange) -> Result<Option<ResponseHeader>, Refusal> {
    match guest.write(Command::Auth(change)).await? {
        Outcome::AuthChanged { revision } => Ok(Some(guest.header(revision))),
        other => panic!("a change of who may do what came to {other:?}"),
    }
}

#[tonic::async_trait]
impl auth_server::Auth for Users {
    async fn auth_enable(
        &self,
        request: Request<AuthEnableRequest>,
    ) -> Result<Response<AuthEnableResponse>, Status> {
        let header = self.change(&request, AuthChange::Enable).await?;
        Ok(Response::new(AuthEnableResponse { header }))
    }

    async fn auth_disable(
        &self,
        request: Request<AuthDisableRequest>,
    ) -> Result<Response<AuthDisableResponse>, Status> {
        let header = self.change(&request, AuthChange::Disable).await?;
        Ok(Response::new(AuthDisableResponse { header }))
    }

    async fn auth_status(
        &self,
        request: Request<AuthStatusRequest>,
    ) -> Result<Response<AuthStatusResponse>, Status> {
        let (auth, header) = self.tables(&request, Need::Root).await?;
        let (enabled, auth_revision) = (auth.is_enabled(), auth.revision());
        Ok(Response::new(AuthStatusResponse { header, enabled, auth_revision }))
    }

    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.gate.check(request.metadata(), Asks::Voters)?;
        let AuthenticateRequest { name, password } = request.get_ref();
        let done = log_in(self.gate.node(), name, password, REQUEST_TIMEOUT).await;
        let (token, revision) = done.map_err(Refusal::from)?;
        let header = Some(self.gate.header(revision));
        Ok(Response::new(AuthenticateResponse { header, token: token.to_string() }))
    }

    async fn user_add(
        &self,
        request: Request<AuthUserAddRequest>,
    ) -> Result<Response<AuthUserAddResponse>, Status> {
        let guest = self.admit(&request).await?;
        let AuthUserAddRequest { name, password, options, .. } = request.into_inner();
        let name = user_name(name)?;
        let password_hash = self.password_hash(&guest, &password, options).await?;
        let header = changed(&guest, AuthChange::AddUser { name, password_hash }).await?;
        Ok(Response::new(AuthUserAddResponse { header }))
    }

    async fn user_get(
        &self,
        request: Request<AuthUserGetRequest>,
    ) -> Result<Response<AuthUserGetResponse>, Status> {
        let name = &request.get_ref().name;
        let (auth, header) = self.tables(&request, Need::User(name)).await?;
        let user = auth.user(name).ok_or(Refusal::UserNotFound)?;
        let roles = user.roles.iter().map(ToString::to_string).collect();
        Ok(Response::new(AuthUserGetResponse { header, roles }))
    }

    async fn user_list(
        &self,
        request: Request<AuthUserListRequest>,
    ) -> Result<Response<AuthUserListResponse>, Status> {
        let (auth, header) = self.tables(&request, Need::Root).await?;
        let users = auth.users().map(|(name, _)| name.to_owned()).collect();
        Ok(Response::new(AuthUserListResponse { header, users }))
    }

    async fn user_delete(
        &self,
        request: Request<AuthUserDeleteRequest>,
    ) -> Result<Response<AuthUserDeleteResponse>, Status> {
        let name = known_user(&request.get_ref().name)?;
        let header = self.change(&request, AuthChange::DeleteUser { name }).await?;
        Ok(Response::new(AuthUserDeleteResponse { header }))
    }

    async fn user_change_password(
        &self,
        request: Request<AuthUserChangePasswordRequest>,
    ) -> Result<Response<AuthUserChangePasswordResponse>, Status> {
        let guest = self.admit(&request).await?;
        let AuthUserChangePasswordRequest { name, password, .. } = request.into_inner();
        let name = known_user(&name)?;
        let password_hash = self.password_hash(&guest, &password, None).await?;
        let header = changed(&guest, AuthChange::SetPassword { name, password_hash }).await?;
        Ok(Response::new(AuthUserChangePasswordResponse { header }))
    }

    async fn user_grant_role(
        &self,
        request: Request<AuthUserGrantRoleRequest>,
    ) -> Result<Response<AuthUserGrantRoleResponse>, Status> {
        let AuthUserGrantRoleRequest { user, role } = request.get_ref();
        let (user, role) = (known_user(user)?, known_role(role)?);
        let header = self.change(&request, AuthChange::GrantRole { user, role }).await?;
        Ok(Response::new(AuthUserGrantRoleResponse { header }))
    }

    async fn user_revoke_role(
        &self,
        request: Request<AuthUserRevokeRoleRequest>,
    ) -> Result<Response<AuthUserRevokeRoleResponse>, Status> {
        let AuthUserRevokeRoleRequest { name, role } = request.get_ref();
        let user = known_user(name)?;
        // A role that can't be is one that the user does not have.
        let role = if role.is_empty() { " ".into() } else { role.as_str().into() };
        let header = self.change(&request, AuthChange::RevokeRole { user, role }).await?;
        Ok(Response::new(AuthUserRevokeRoleResponse { header }))
    }

    async fn role_add(
        &self,
        request: Request<AuthRoleAddRequest>,
    ) -> Result<Response<AuthRoleAddResponse>, Status> {
        let name = &request.get_ref().name;
        let name: Arc<str> = match name.is_empty() {
            true => return Err(Refusal::RoleEmpty.into()),
            false => name.as_str().into(),
        };
        let header = self.change(&request, AuthChange::AddRole { name }).await?;
        Ok(Response::new(AuthRoleAddResponse { header }))
    }

    async fn role_get(
        &self,
        request: Request<AuthRoleGetRequest>,
    ) -> Result<Response<AuthRoleGetResponse>, Status> {
        let name = &request.get_ref().role;
        let (auth, header) = self.tables(&request, Need::Role(name)).await?;
        let role = auth.role(name).ok_or(Refusal::RoleNotFound)?;
        let perm = role.permissions().map(shown).collect();
        Ok(Response::new(AuthRoleGetResponse { header, perm }))
    }

    async fn role_list(
        &self,
        request: Request<AuthRoleListRequest>,
    ) -> Result<Response<AuthRoleListResponse>, Status> {
        let (auth, header) = self.tables(&request, Need::Root).await?;
        let roles = auth.roles().map(|(name, _)| name.to_owned()).collect();
        Ok(Response::new(AuthRoleListResponse { header, roles }))
    }

    async fn role_delete(
        &self,
        request: Request<AuthRoleDeleteRequest>,
    ) -> Result<Response<AuthRoleDeleteResponse>, Status> {
        let name = known_role(&request.get_ref().role)?;
        let header = self.change(&request, AuthChange::DeleteRole { name }).await?;
        Ok(Response::new(AuthRoleDeleteResponse { header }))
    }

    async fn role_grant_permission(
        &self,
        request: Request<AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<AuthRoleGrantPermissionResponse>, Status> {
        let AuthRoleGrantPermissionRequest { name, perm } = request.get_ref();
        let permission = perm.clone().ok_or(Refusal::PermissionNotGiven)?;
        let (role, permission) = (known_role(name)?, permission_of(permission)?);
        let change = AuthChange::GrantPermission { role, permission };
        let header = self.change(&request, change).await?;
        Ok(Response::new(AuthRoleGrantPermissionResponse { header }))
    }

    async fn role_revoke_permission(
        &self,
        request: Request<AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<AuthRoleRevokePermissionResponse>, Status> {
        let AuthRoleRevokePermissionRequest { role, key, range_end } = request.get_ref().clone();
        let change = AuthChange::RevokePermission { role: known_role(&role)?, key, range_end };
        let header = self.change(&request, change).await?;
        Ok(Response::new(AuthRoleRevokePermissionResponse { header }))
    }
}

/// The name of a user who is to be.
fn user_name(name: String) -> Result<Arc<str>, Refusal> {
    if name.is_empty() { Err(Refusal::UserEmpty) } else { Ok(name.into()) }
}

/// The name of one who is there, perhaps.
fn known_user(name: &str) -> Result<Arc<str>, Refusal> {
    if name.is_empty() { Err(Refusal::UserNotFound) } else { Ok(name.into()) }
}

fn known_role(name: &str) -> Result<Arc<str>, Refusal> {
    if name.is_empty() { Err(Refusal::RoleNotFound) } else { Ok(name.into()) }
}

fn permission_of(permission: authpb::Permission) -> Result<Permission, Refusal> {
    let access = match permission.perm_type() {
        authpb::permission::Type::Read => Access::Read,
        authpb::permission::Type::Write => Access::Write,
        authpb::permission::Type::Readwrite => Access::ReadWrite,
    };
    let authpb::Permission { key, range_end, .. } = permission;
    let granted = Permission { access, key, range_end };
    // A range that no key is in would grant nothing, and look as if it did.
    if granted.range().is_empty() { Err(Refusal::InvalidManagement) } else { Ok(granted) }
}

fn shown(permission: Permission) -> authpb::Permission {
    let kind = match permission.access {
        Access::Read => authpb::permission::Type::Read,
        Access::Write => authpb::permission::Type::Write,
        Access::ReadWrite => authpb::permission::Type::Readwrite,
    };
    let Permission { key, range_end, .. } = permission;
    authpb::Permission { perm_type: kind.into(), key, range_end }
}
