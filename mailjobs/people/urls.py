"""Addresses of log-in and of people's own access."""

from django.urls import path

from mailjobs.people.views import access, first, log_in, others, start, welcome

urlpatterns = [
    path("accounts/login/", log_in.LogIn.as_view(), name="login"),
    path("accounts/logout/", log_in.LogOut.as_view(), name="logout"),
    path("accounts/second-step/", log_in.SecondStep.as_view(), name="second_step"),
    path("accounts/confirm/", log_in.Confirm.as_view(), name="confirm"),
    path("accounts/passkey/ask/", log_in.PasskeyAsk.as_view(), name="passkey_ask"),
    path("accounts/passkey/prove/", log_in.PasskeyProve.as_view(), name="passkey_prove"),
    path("accounts/openid/", log_in.OpenIdAsk.as_view(), name="openid_ask"),
    path("accounts/openid/back/", log_in.OpenIdBack.as_view(), name="openid_back"),
    path("accounts/forgotten/", welcome.Forgotten.as_view(), name="forgotten"),
    path("accounts/welcome/<str:token>/", welcome.Welcome.as_view(), name="welcome"),
    path("accounts/first/", first.First.as_view(), name="first"),
    path("accounts/access/", access.Access.as_view(), name="access"),
    path("accounts/access/password/", access.ChangePassword.as_view(), name="change_password"),
    path("accounts/access/authenticator/", access.AuthenticatorApp.as_view(), name="authenticator"),
    path("accounts/access/recovery-codes/", access.RecoveryCodes.as_view(), name="recovery_codes"),
    path("accounts/access/passkey/ask/", access.PasskeyAddAsk.as_view(), name="passkey_add_ask"),
    path("accounts/access/passkey/add/", access.PasskeyAdd.as_view(), name="passkey_add"),
    path("accounts/access/log-ins/end/", access.EndSignIns.as_view(), name="end_sign_ins"),
    path("accounts/access/remove/<slug:what>/", access.Change.as_view(), name="access_remove"),
    path("users/<int:pk>/access/", others.UserAccess.as_view(), name="user_access"),
    path("start/mail-server/", start.MailServer.as_view(), name="mail_server"),
    path("start/sender/", start.OwnSender.as_view(), name="own_sender"),
    path("start/test-mail/", start.FirstTestMail.as_view(), name="first_test_mail"),
]
