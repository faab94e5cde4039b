(* Products of a matrix with vectors that are equal, or close, in the columns that it reads.

   The first step of Lemmas K2c, K5 and K6 of docs/certificates.md: a matrix that is 0 on a column
   does not see it; what differs by at most `error` outside of such columns differs by at most
   |W| error after W; ReLU is 1-Lipschitz.

   In Python: `times` and `grown` in verify/kernel/arithmetic.py (that they compute these numbers
   is Lemma K1, which stays on paper). *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Products.
Variable F : realDomainType.

Definition blind d (unread : pred 'I_d) m (W : 'M[F]_(m, d)) : Prop :=
  forall i c, unread c -> W i c = 0.

Definition sizes m d (W : 'M[F]_(m, d)) : 'M[F]_(m, d) := \matrix_(i, c) `|W i c|.

(* |x - y| <= error in the coordinates that are not among `unread`. *)
Definition within d (unread : pred 'I_d) (error x y : 'cV[F]_d) : Prop :=
  forall c, ~~ unread c -> `|x c 0 - y c 0| <= error c 0.

Lemma product_unread d (unread : pred 'I_d) m (W : 'M_(m, d)) (x y : 'cV_d) :
  blind unread W -> (forall c, ~~ unread c -> x c 0 = y c 0) -> W *m x = W *m y.
Proof.
move=> no same; apply/matrixP=> i j; rewrite !mxE; apply: eq_bigr => c _.
case unread_c: (unread c); first by rewrite no ?mul0r.
by rewrite !ord1 same ?unread_c.
Qed.

Lemma product_within d (unread : pred 'I_d) m (W : 'M_(m, d)) (error x y : 'cV_d) :
  blind unread W -> within unread error x y -> within pred0 (sizes W *m error) (W *m x) (W *m y).
Proof.
move=> no close i _; rewrite !mxE -sumrB; apply: (le_trans (ler_norm_sum _ _ _)).
apply: ler_sum => c _; rewrite !mxE -mulrBr normrM.
case unread_c: (unread c); first by rewrite no ?normr0 ?mul0r.
by apply: ler_wpmul2l => //; rewrite close ?unread_c.
Qed.

Lemma within_sum d (unread : pred 'I_d) (e e' x x' y y' : 'cV_d) :
  within unread e x y -> within unread e' x' y' -> within unread (e + e') (x + x') (y + y').
Proof.
move=> close close' c seen; rewrite !mxE opprD addrACA.
by apply: (le_trans (ler_norm_add _ _)); apply: ler_add; [apply: close | apply: close'].
Qed.

Lemma within_more d (unread : pred 'I_d) (e e' x y : 'cV_d) :
  (forall c, ~~ unread c -> e c 0 <= e' c 0) -> within unread e x y -> within unread e' x y.
Proof. by move=> more close c seen; apply: (le_trans (close c seen)); apply: more. Qed.

Lemma relu_lipschitz (a b : F) : `|Num.max 0 a - Num.max 0 b| <= `|a - b|.
Proof.
wlog: a b / b <= a => [sym|le_ba].
  by case/orP: (le_total b a) => [/sym //|/sym]; rewrite distrC [X in _ <= X]distrC.
have le_max : Num.max 0 b <= Num.max 0 a.
  by rewrite le_maxl !le_maxr lexx le_ba orbT.
rewrite !ger0_norm ?subr_ge0 //.
case: (lerP 0 b) => [ge0_b|lt0_b]; first by rewrite (max_idPr (le_trans ge0_b le_ba)).
rewrite subr0; case: (lerP 0 a) => [_|lt0_a]; last by rewrite subr_ge0.
by rewrite ler_addl oppr_ge0 ltW.
Qed.

Lemma relu_within m (error x y : 'cV[F]_m) :
  within pred0 error x y -> within pred0 error (relu x) (relu y).
Proof.
by move=> close i _; rewrite !mxE; apply: (le_trans (relu_lipschitz _ _)); apply: close.
Qed.

End Products.
